use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::frame::{Frame, HeaderEncoding, decode_frame_up_to};
use raft::eraftpb::{ConfState, Message, MessageType, Snapshot};
use storage::commit_log::LogPosition;
use storage::commit_log::entry::HEADER_BYTES;

use super::raft_step::APPEND_ENTRIES_MAX;
use super::*;
use crate::config::FlushDiskType;

/// What a frame is made of, owned: strategies cannot lend.
#[derive(Debug, Clone)]
struct Parts {
    message: Message,
    entry_bytes: Vec<u32>,
    body: Vec<u8>,
    texts: [String; 4],
    name: String,
    numbers: [u64; 6],
    small: u32,
    choice: bool,
    status: PullStatus,
}

impl Parts {
    /// One message of each kind, made of these parts.
    fn messages(&self) -> [ReplicaMessage<'_>; 13] {
        let [a, b, c, d, e, f] = self.numbers;
        let body = &self.body[..];
        let [cluster, group, broker_name, client_address] = self.texts.each_ref().map(String::as_str);
        let is_append = self.message.msg_type == MessageType::MsgAppend;
        [
            ReplicaMessage::Hello(Hello {
                class: if self.choice { ConnectionClass::Log } else { ConnectionClass::Beat },
                flush: if self.choice { FlushDiskType::Sync } else { FlushDiskType::Async },
                segment_bytes: a,
                run: b,
                nonce: c,
                cluster,
                group,
                broker_name,
                client_address,
            }),
            ReplicaMessage::Refused(Refused { reason: cluster }),
            ReplicaMessage::Raft(RaftStep {
                message: Cow::Borrowed(&self.message),
                entry_bytes: if is_append { EntryLengths::Numbers(&self.entry_bytes) } else { EntryLengths::NONE },
                log: if is_append { body } else { &[] },
            }),
            ReplicaMessage::LogEnd(LogEnd {
                life: c,
                answers: d,
                current_term: e,
                term: a,
                index: b,
                last_change: f,
                is_trusted: self.choice,
                knows_terms: !self.choice,
                lets_in: self.choice,
                takes_lead: !self.choice,
            }),
            ReplicaMessage::Pull(Pull {
                round: f,
                end: LogPosition { position: a, index: b, term: c, previous: a as u32 },
                applied: LogPosition { position: d, index: e, term: f, previous: b as u32 },
                bytes_wanted: c as u32,
            }),
            ReplicaMessage::Pulled(Pulled {
                round: d,
                status: self.status,
                first_position: a,
                commit_index: b,
                end_position: c,
                log: if self.status == PullStatus::Entries { body } else { &[] },
            }),
            ReplicaMessage::Members(MemberNotice { list: cluster }),
            ReplicaMessage::CheckpointRequest(CheckpointRequest {
                offset: a,
                bytes_wanted: self.small,
                name: &self.name,
            }),
            ReplicaMessage::CheckpointPiece(CheckpointPiece {
                offset: a / 2,
                total: (a / 2 + body.len() as u64).max(b),
                name: &self.name,
                bytes: body,
            }),
            ReplicaMessage::Forward(Forward { request_id: a, client_address, frame: body }),
            ReplicaMessage::Forwarded(Forwarded { request_id: a, frames: body }),
            ReplicaMessage::EntryWanted(EntryWanted { position: a }),
            ReplicaMessage::EntryGiven(EntryGiven { position: a, entry: body }),
        ]
    }

    fn envelope(&self) -> Envelope {
        let [log_id, session, sequence, ..] = self.numbers;
        Envelope { from: self.message.from, to: self.message.to, log_id, session, sequence }
    }
}

const TRAVELLING: [MessageType; 13] = [
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgTransferLeader,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
];

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let ids = || vec(any::<u64>(), 0..4);
    (any::<[u64; 2]>(), any::<bool>(), [ids(), ids(), ids(), ids()], vec(any::<u8>(), 0..9)).prop_map(
        |([index, term], auto_leave, [voters, learners, voters_outgoing, learners_next], data)| {
            let members =
                ConfState { voters, learners, voters_outgoing, learners_next, auto_leave, ..ConfState::default() };
            let mut snapshot = Snapshot { data: data.into(), ..Snapshot::default() };
            snapshot.mut_metadata().index = index;
            snapshot.mut_metadata().term = term;
            snapshot.mut_metadata().set_conf_state(members);
            snapshot
        },
    )
}

fn raft_messages() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![1 => Just(MessageType::MsgAppend), 2 => proptest::sample::select(&TRAVELLING[..])];
    let node = || 1..u64::MAX;
    let snapshot = proptest::option::of(snapshots());
    (kind, node(), node(), any::<[u64; 8]>(), any::<i64>(), any::<bool>(), vec(any::<u8>(), 0..20), snapshot).prop_map(
        |(msg_type, from, to, numbers, priority, reject, context, snapshot)| {
            let [term, log_term, index, commit, commit_term, request_snapshot, reject_hint, old_priority] = numbers;
            let mut message =
                Message { msg_type, from, to, term, log_term, index, commit, commit_term, ..Message::default() };
            (message.request_snapshot, message.reject_hint, message.reject) = (request_snapshot, reject_hint, reject);
            (message.priority, message.deprecated_priority) = (priority, old_priority);
            message.context = context.into();
            if let Some(snapshot) = snapshot {
                message.set_snapshot(snapshot);
            }
            message
        },
    )
}

fn parts() -> impl Strategy<Value = Parts> {
    let text = || "[a-zA-Z0-9.:\\-华 ]{0,20}";
    let entry_bytes = vec(HEADER_BYTES as u32..200, 0..5);
    let statuses = vec![PullStatus::Entries, PullStatus::TooOld, PullStatus::NotNow];
    let rest = (any::<[u64; 6]>(), any::<u32>(), any::<bool>(), proptest::sample::select(statuses));
    (
        raft_messages(),
        entry_bytes,
        [text(), text(), text(), text()],
        "([a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20})?",
        rest,
        any::<u8>(),
    )
        .prop_map(|(message, entry_bytes, texts, name, (numbers, small, choice, status), byte)| {
            let body = (0..entry_bytes.iter().sum()).map(|at| at as u8 ^ byte).collect();
            Parts { message, entry_bytes, body, texts, name, numbers, small, choice, status }
        })
}

fn encode(message: &ReplicaMessage<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut frame = Vec::new();
    message.encode(envelope, &mut frame);
    frame
}

fn decode_parts<'a>(header: &'a [u8], body: &'a [u8]) -> Result<(Envelope, ReplicaMessage<'a>), WireError> {
    ReplicaMessage::decode(&Frame { encoding: HeaderEncoding::Json, header, body })
}

/// Cuts the one frame out of `bytes` as a receiver does and decodes it.
fn receive<T>(bytes: &[u8], take: impl FnOnce(Result<(Envelope, ReplicaMessage<'_>), WireError>) -> T) -> Option<T> {
    let (frame, used) = decode_frame_up_to(bytes, FRAME_BYTES_MAX as u32).ok()??;
    assert!(used <= bytes.len());
    Some(take(ReplicaMessage::decode(&frame)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_message_reads_back_as_it_was_written(parts in parts()) {
        for message in parts.messages() {
            let bytes = encode(&message, &parts.envelope());
            let same = receive(&bytes, |decoded| decoded == Ok((parts.envelope(), message.clone())));
            prop_assert_eq!(same, Some(true), "{:?}", message);
        }
    }

    #[test]
    fn a_head_and_its_body_sent_apart_are_the_frame_sent_at_once(parts in parts()) {
        for message in parts.messages() {
            let mut apart = Vec::new();
            let body = message.body();
            match message.clone() {
                ReplicaMessage::Raft(step) => ReplicaMessage::Raft(RaftStep { log: &[], ..step }),
                ReplicaMessage::Pulled(pulled) => ReplicaMessage::Pulled(Pulled { log: &[], ..pulled }),
                other => other,
            }
            .encode_head(&parts.envelope(), body.len(), &mut apart);
            apart.extend_from_slice(body);
            prop_assert_eq!(apart, encode(&message, &parts.envelope()));
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_unless_it_lies_in_a_piece_of_the_log(
        parts in parts(), at in any::<prop::sample::Index>(), change in 1..=u8::MAX,
    ) {
        for message in parts.messages() {
            let mut bytes = encode(&message, &parts.envelope());
            let head = bytes.len() - message.body().len();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let is_log = at >= head && matches!(message.kind(), Kind::Raft | Kind::Pulled | Kind::EntryGiven);
            match receive(&bytes, |decoded| decoded.map(|(_, changed)| (changed.kind(), changed.body().len()))) {
                Some(Ok(other)) => {
                    prop_assert!(is_log, "{:?} with byte {at} changed", message);
                    prop_assert_eq!(other, (message.kind(), message.body().len()));
                }
                Some(Err(_)) | None => prop_assert!(!is_log),
            }
        }
    }

    #[test]
    fn a_frame_that_is_cut_is_waited_for_and_a_header_or_body_that_is_cut_is_an_error(
        parts in parts(), cut in any::<prop::sample::Index>(),
    ) {
        for message in parts.messages() {
            let bytes = encode(&message, &parts.envelope());
            prop_assert!(receive(&bytes[..cut.index(bytes.len())], |_| ()).is_none());
            let (header, body) = bytes[8..].split_at(bytes.len() - 8 - message.body().len());
            prop_assert!(decode_parts(&header[..cut.index(header.len())], body).is_err());
            if !body.is_empty() {
                prop_assert!(decode_parts(header, &body[..cut.index(body.len())]).is_err(), "{:?}", message);
            }
            let longer = [body, &[0]].concat();
            prop_assert!(decode_parts(header, &longer).is_err(), "{:?}", message);
        }
    }

    /// The checksum keeps random changes away from the fields, so here it is made right again.
    #[test]
    fn fields_of_any_bytes_are_an_error_or_a_message_that_reads_back(
        parts in parts(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        for message in parts.messages() {
            let bytes = encode(&message, &parts.envelope());
            let (header, body) = bytes[8..].split_at(bytes.len() - 8 - message.body().len());
            let mut header = header.to_vec();
            for (at, byte) in &changes {
                let at = at.index(header.len());
                header[at] = *byte;
            }
            if let Some(cut) = cut {
                header.truncate(cut.index(header.len()));
            }
            envelope::mend(&mut header, body.len());
            if let Ok((envelope, changed)) = decode_parts(&header, body) {
                let again = encode(&changed, &envelope);
                prop_assert_eq!(receive(&again, |decoded| decoded == Ok((envelope, changed.clone()))), Some(true));
            }
        }
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(mut header in vec(any::<u8>(), 0..200), kind in 0..12_u8, body in vec(any::<u8>(), 0..90)) {
        let _ = decode_parts(&header, &body);
        if header.len() >= 12 {
            header[..8].copy_from_slice(&[b'T', b'P', b'R', b'F', 1, kind, 0, 0]);
            envelope::mend(&mut header, body.len());
            let _ = decode_parts(&header, &body);
        }
    }
}

const ENVELOPE: Envelope = Envelope { from: 3, to: 1, log_id: 0x0102, session: 0x0304, sequence: 5 };

fn raft(msg_type: MessageType) -> Message {
    Message { msg_type, from: 3, to: 1, term: 7, ..Message::default() }
}

/// The layout is drawn in the modules; this is what it comes to. It may only change together with the version.
#[test]
fn the_layout_of_an_append_is_what_it_was() {
    let mut message = raft(MessageType::MsgAppend);
    (message.log_term, message.index, message.commit, message.reject) = (6, 0x10, 0x0F, true);
    (message.commit_term, message.request_snapshot, message.reject_hint) = (1, 2, 3);
    (message.priority, message.deprecated_priority) = (-1, 4);
    message.context = b"ctx".to_vec().into();
    let (lengths, log) = ([64, 65], [b'e'; 129]);
    let step = RaftStep { message: Cow::Owned(message), entry_bytes: EntryLengths::Numbers(&lengths), log: &log };
    let frame = encode(&ReplicaMessage::Raft(step), &ENVELOPE);
    let hex: String = frame[..frame.len() - 129].iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        "00000118",
        "00000093", // length 4 + 147 + 129, encoding 0, header 147
        "54505246",
        "01030000",
        "CRCCRC..",
        "00000081", // envelope
        "0000000000000003",
        "0000000000000001",
        "0000000000000102",
        "0000000000000304",
        "0000000000000005",
        "0303", // append; reject, context
        "0000000000000007",
        "0000000000000006",
        "0000000000000010",
        "000000000000000f",
        "0000000000000001",
        "0000000000000002",
        "0000000000000003",
        "ffffffffffffffff",
        "0000000000000004",
        "0003637478",
        "00000002",
        "00000040",
        "00000041",
    ]
    .concat();
    assert_eq!(hex[..32], expected[..32]);
    assert_eq!(hex[40..], expected[40..]);
}

#[test]
fn the_entries_of_an_append_come_out_one_by_one() {
    let (lengths, log) = ([64, 65, 70], [9; 199]);
    let step = RaftStep {
        message: Cow::Owned(raft(MessageType::MsgAppend)),
        entry_bytes: EntryLengths::Numbers(&lengths),
        log: &log,
    };
    let frame = encode(&ReplicaMessage::Raft(step), &ENVELOPE);
    let came = receive(&frame, |decoded| {
        let Ok((_, ReplicaMessage::Raft(step))) = decoded else { panic!("{decoded:?}") };
        step.entries().map(<[u8]>::len).collect::<Vec<_>>()
    });
    assert_eq!(came.unwrap(), [64, 65, 70]);
}

/// Decodes a Raft frame whose fields `change` has changed; they begin with type and flags.
fn changed_step(message: &Message, body: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> WireError {
    let mut frame = Vec::new();
    ReplicaMessage::Raft(RaftStep::bare(message)).encode(&ENVELOPE, &mut frame);
    let mut header = frame.split_off(8);
    let mut fields = header.split_off(envelope::ENVELOPE_BYTES);
    change(&mut fields);
    header.extend_from_slice(&fields);
    envelope::mend(&mut header, body.len());
    decode_parts(&header, body).expect_err("refused")
}

fn set_entries(fields: &mut Vec<u8>, lengths: &[u32]) {
    fields.truncate(fields.len() - 4);
    fields.extend_from_slice(&(lengths.len() as u32).to_be_bytes());
    lengths.iter().for_each(|bytes| fields.extend_from_slice(&bytes.to_be_bytes()));
}

#[test]
fn what_raft_tells_its_own_node_is_not_taken_from_another() {
    let local = [
        MessageType::MsgHup,
        MessageType::MsgBeat,
        MessageType::MsgPropose,
        MessageType::MsgUnreachable,
        MessageType::MsgSnapStatus,
        MessageType::MsgCheckQuorum,
    ];
    for kind in local {
        let error = changed_step(&raft(MessageType::MsgHeartbeat), &[], |fields| fields[0] = kind as u8);
        assert!(matches!(error, WireError::BadValue { field: "type", .. }), "{kind:?}: {error}");
    }
    for kind in TRAVELLING {
        let message = raft(kind);
        let frame = encode(&ReplicaMessage::Raft(RaftStep::bare(&message)), &ENVELOPE);
        assert_eq!(frame[8 + envelope::ENVELOPE_BYTES], kind as u8, "numbered as Raft numbers it");
    }
}

#[test]
fn entries_that_do_not_make_up_the_body_are_refused() {
    let append = raft(MessageType::MsgAppend);
    let lengths = |lengths: &'static [u32]| move |fields: &mut Vec<u8>| set_entries(fields, lengths);
    let error = changed_step(&append, &[0; 128], lengths(&[64, 65]));
    assert_eq!(error, WireError::BodyLength { expected: 129, found: 128 });
    let error = changed_step(&append, &[0; 70], lengths(&[7, 63]));
    assert!(matches!(error, WireError::BadValue { field: "bytes of an entry", found: 7, .. }), "{error}");
    let error = changed_step(&append, &[], lengths(&[u32::MAX, u32::MAX]));
    assert_eq!(error, WireError::BodyLength { expected: 2 * u64::from(u32::MAX), found: 0 });
    assert_eq!(changed_step(&append, &[1], |_| ()), WireError::BodyLength { expected: 0, found: 1 });
    let heartbeat = raft(MessageType::MsgHeartbeat);
    let error = changed_step(&heartbeat, &[0; 64], lengths(&[64]));
    assert_eq!(error, WireError::TooLong { field: "entries", found: 1, max: 0 });
}

#[test]
fn a_count_that_its_header_does_not_hold_takes_no_memory() {
    let append = raft(MessageType::MsgAppend);
    let claim = |count: u32| {
        move |fields: &mut Vec<u8>| {
            let at = fields.len() - 4;
            fields[at..].copy_from_slice(&count.to_be_bytes());
        }
    };
    let error = changed_step(&append, &[], claim(u32::MAX));
    assert_eq!(error, WireError::TooLong { field: "entries", found: u32::MAX as usize, max: APPEND_ENTRIES_MAX });
    let error = changed_step(&append, &[], claim(APPEND_ENTRIES_MAX as u32));
    assert_eq!(error, WireError::Cut { field: "bytes of entries", need: 4 * APPEND_ENTRIES_MAX, have: 0 });
}

#[test]
fn the_longest_append_fits_its_header() {
    let lengths = [HEADER_BYTES as u32; APPEND_ENTRIES_MAX];
    let mut message = raft(MessageType::MsgAppend);
    message.context = vec![1; raft_step::CONTEXT_BYTES_MAX].into();
    let members = || vec![u64::MAX; raft_step::MEMBERS_MAX];
    let mut snapshot = Snapshot { data: vec![2; raft_step::SNAPSHOT_DATA_BYTES_MAX].into(), ..Snapshot::default() };
    snapshot.mut_metadata().set_conf_state(ConfState {
        voters: members(),
        learners: members(),
        voters_outgoing: members(),
        learners_next: members(),
        ..ConfState::default()
    });
    message.set_snapshot(snapshot);
    let entry_bytes = EntryLengths::Numbers(&lengths);
    let log = vec![0; HEADER_BYTES * APPEND_ENTRIES_MAX];
    let step = ReplicaMessage::Raft(RaftStep { message: Cow::Owned(message), entry_bytes, log: &log });
    let frame = encode(&step, &ENVELOPE);
    assert_eq!(receive(&frame, |decoded| decoded == Ok((ENVELOPE, step.clone()))), Some(true));
    let fields = frame.len() - 8 - envelope::ENVELOPE_BYTES - log.len() - 4 * APPEND_ENTRIES_MAX;
    assert!(fields <= raft_step::FIELDS_BYTES_MAX, "{fields} bytes");
}

#[test]
fn unknown_flags_and_an_empty_context_are_refused() {
    let message = raft(MessageType::MsgHeartbeat);
    let error = changed_step(&message, &[], |fields| fields[1] = 8);
    assert!(matches!(error, WireError::BadValue { field: "flags", found: 8, .. }), "{error}");
    let error = changed_step(&message, &[], |fields| {
        fields[1] = 2;
        let at = fields.len() - 4;
        fields.splice(at..at, [0, 0]);
    });
    assert!(matches!(error, WireError::BadValue { field: "context", .. }), "{error}");
}

#[test]
fn a_damaged_request_of_a_client_is_not_forwarded() {
    let forward = ReplicaMessage::Forward(Forward { request_id: 1, client_address: "10.0.0.9:4", frame: b"frame" });
    let mut frame = encode(&forward, &ENVELOPE);
    *frame.last_mut().unwrap() ^= 1;
    let error = receive(&frame, |decoded| decoded.err()).unwrap().unwrap();
    assert!(matches!(error, WireError::BodyCrc { bytes: 5, .. }), "{error}");
}

#[test]
fn a_frame_with_a_client_s_encoding_is_none_of_a_replica() {
    let mut frame = encode(&ReplicaMessage::Refused(Refused { reason: "no" }), &ENVELOPE);
    frame[4] = 1;
    let error = receive(&frame, |decoded| decoded.err()).unwrap();
    assert_eq!(error, Some(WireError::Encoding { found: 1, expected: 0 }));
}

#[test]
fn only_small_messages_that_must_not_be_late_are_beats() {
    assert!(RaftStep::is_beat(&raft(MessageType::MsgHeartbeat)));
    assert!(RaftStep::is_beat(&raft(MessageType::MsgRequestPreVoteResponse)));
    assert!(!RaftStep::is_beat(&raft(MessageType::MsgAppend)));
    assert!(!RaftStep::is_beat(&raft(MessageType::MsgAppendResponse)));
}
