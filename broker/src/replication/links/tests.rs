use std::collections::VecDeque;

use protocol::frame::decode_frame_up_to;
use runtime::loopback::Loopback;

use super::*;
use crate::replication::wire::{FRAME_BYTES_MAX, LogEnd, PullStatus, Pulled};

const REPORT: ReplicaMessage<'static> = ReplicaMessage::LogEnd(LogEnd {
    life: 1,
    answers: 0,
    current_term: 3,
    term: 2,
    index: 9,
    last_change: 0,
    is_trusted: true,
    knows_terms: true,
    lets_in: false,
    takes_lead: true,
});

/// One node with its connections; what it sends waits to be carried.
struct Node {
    links: Links,
    outbox: Outbox,
    sockets: Loopback,
    id: u64,
}

fn introduction(node: u64, run: u64) -> Introduction {
    Introduction {
        node,
        log_id: 77,
        flush: FlushDiskType::Async,
        segment_bytes: 1 << 30,
        run,
        cluster: "C".to_owned(),
        group: "g".to_owned(),
        broker_name: "g".to_owned(),
        client_address: format!("10.0.0.{node}:10911"),
    }
}

fn address(node: u64) -> SocketAddr {
    format!("127.0.0.1:{}", 40_000 + node).parse().unwrap()
}

impl Node {
    fn new(introduction: Introduction) -> Self {
        let (outbox, id) = (Outbox::default(), introduction.node);
        let members = GroupMembers::founders(&(1..=3).map(|id| (id, address(id))).collect::<Vec<_>>());
        Self { links: Links::new(introduction, &members, 0), sockets: Loopback::new(outbox.clone()), outbox, id }
    }

    /// The frames sent since the last call, by connection.
    fn sent(&self) -> VecDeque<(ConnectionId, Vec<u8>)> {
        let mut frames = VecDeque::new();
        self.sockets.drain(|id, mut bytes| {
            while let Some((_, used)) = decode_frame_up_to(bytes, FRAME_BYTES_MAX as u32).unwrap() {
                frames.push_back((id, bytes[..used].to_vec()));
                bytes = &bytes[used..];
            }
        });
        frames
    }

    /// What a frame is to this node, as text.
    fn hears(&mut self, on: ConnectionId, bytes: &[u8], nonce: u64) -> Result<String, String> {
        let (frame, _) = decode_frame_up_to(bytes, FRAME_BYTES_MAX as u32).unwrap().unwrap();
        match self.links.heard(on, &frame, nonce, &self.outbox) {
            Ok(heard) => Ok(format!("{heard:?}")),
            Err(reason) => Err(reason.to_string()),
        }
    }
}

/// `dialer` dials `listener` for `class`; returns the two ends, both having said hello.
fn connect(dialer: &mut Node, listener: &mut Node, class: ConnectionClass) -> (ConnectionId, ConnectionId) {
    let (near, far) = (dialer.sockets.connect(), listener.sockets.connect());
    dialer.links.connected(ticket(listener.id, class), near, 5, &dialer.outbox);
    let (_, hello) = dialer.sent().pop_front().unwrap();
    assert_eq!(listener.hears(far, &hello, 6), Ok(format!("Up({}, {class:?})", dialer.id)));
    let (_, answer) = listener.sent().pop_front().unwrap();
    assert_eq!(dialer.hears(near, &answer, 0), Ok(format!("Up({}, {class:?})", listener.id)));
    (near, far)
}

#[test]
fn the_higher_id_dials_all_connections_and_again_after_a_pause() {
    let mut node = Node::new(introduction(2, 1));
    node.links.dial_due(0, &node.outbox);
    let dials: Vec<_> = node.sockets.take_dials().into_iter().map(|dial| (dial.remote, dial.ticket)).collect();
    let expected = CLASSES.map(|class| (address(1), ticket(1, class)));
    assert_eq!(dials, expected, "node 3 dials this one");
    node.links.dial_due(0, &node.outbox);
    assert!(node.sockets.take_dials().is_empty(), "they are under way");
    node.links.dial_failed(ticket(1, ConnectionClass::Bulk), 1_000);
    node.links.dial_due(1_000 + REDIAL_MS - 1, &node.outbox);
    assert!(node.sockets.take_dials().is_empty());
    node.links.dial_due(1_000 + REDIAL_MS, &node.outbox);
    assert_eq!(node.sockets.take_dials().len(), 1);
}

#[test]
fn both_ends_speak_on_a_connection_once_both_said_hello() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    assert!(!two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox), "not connected yet");
    let (near, far) = connect(&mut two, &mut one, ConnectionClass::Log);
    assert_eq!(two.links.client_address(1), Some("10.0.0.1:10911"));
    assert!(two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
    assert!(one.links.send(2, ConnectionClass::Log, &REPORT, &one.outbox));
    assert!(!one.links.send(2, ConnectionClass::Beat, &REPORT, &one.outbox), "that one is not there");
    let (_, frame) = two.sent().pop_front().unwrap();
    assert!(one.hears(far, &frame, 0).unwrap().starts_with("Message(2, LogEnd"));
    assert!(one.hears(far, &frame, 0).is_err(), "a frame comes once");
    let (_, frame) = one.sent().pop_front().unwrap();
    assert!(two.hears(near, &frame, 0).unwrap().starts_with("Message(1, LogEnd"));
    assert_eq!(two.links.closed(near, 0), Some((1, ConnectionClass::Log)));
    assert!(!two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
}

#[test]
fn who_does_not_belong_is_told_why() {
    let strangers = [
        (introduction(3, 1), Introduction { log_id: 78, ..introduction(1, 1) }, "log"),
        (introduction(3, 1), Introduction { log_id: 78, group: "h".to_owned(), ..introduction(1, 1) }, "dLegerGroup"),
        (introduction(3, 1), Introduction { group: "h".to_owned(), ..introduction(1, 1) }, "dLegerGroup"),
        (introduction(2, 1), introduction(3, 1), "n2 dials n1, not the other way round"),
    ];
    for (dialer, listener, why) in strangers {
        let (mut dialer, mut listener) = (Node::new(dialer), Node::new(listener));
        let (near, far) = (dialer.sockets.connect(), listener.sockets.connect());
        dialer.links.connected(ticket(listener.id, ConnectionClass::Log), near, 5, &dialer.outbox);
        let (_, hello) = dialer.sent().pop_front().unwrap();
        let reason = listener.hears(far, &hello, 6).unwrap_err();
        assert!(reason.contains(why), "{reason}");
        let (_, refusal) = listener.sent().pop_front().unwrap();
        assert!(dialer.hears(near, &refusal, 0).unwrap_err().contains(why));
        assert_eq!(dialer.links.closed(near, 0), None);
        dialer.links.dial_due(REFUSED_REDIAL_MS - 1, &dialer.outbox);
        let dialed: Vec<_> = dialer.sockets.take_dials().into_iter().map(|dial| dial.ticket).collect();
        assert!(!dialed.contains(&ticket(listener.id, ConnectionClass::Log)), "it has no hurry");
        dialer.links.dial_due(REFUSED_REDIAL_MS, &dialer.outbox);
        let dials_it = dialer.id > listener.id;
        assert_eq!(dialer.sockets.take_dials().len(), usize::from(dials_it));
    }
}

#[test]
fn a_node_that_started_again_is_not_heard_on_what_its_earlier_process_opened() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    let (_, old_beat) = connect(&mut two, &mut one, ConnectionClass::Beat);
    assert!(two.links.send(1, ConnectionClass::Beat, &REPORT, &two.outbox));
    let (_, late) = two.sent().pop_front().unwrap();
    let mut again = Node::new(introduction(2, 9));
    connect(&mut again, &mut one, ConnectionClass::Log);
    assert!(one.hears(old_beat, &late, 0).is_err());
    assert!(!one.links.send(2, ConnectionClass::Beat, &REPORT, &one.outbox), "it goes nowhere");
    connect(&mut again, &mut one, ConnectionClass::Beat);
    assert!(one.links.send(2, ConnectionClass::Beat, &REPORT, &one.outbox));
    assert!(one.links.send(2, ConnectionClass::Log, &REPORT, &one.outbox), "its other connection stays");
}

#[test]
fn a_ticket_names_a_node_and_a_class() {
    for class in CLASSES {
        assert_eq!(of_ticket(ticket(7, class)), (7, class));
        assert_eq!(CLASSES[class as usize], class);
    }
}

#[test]
fn a_body_that_is_shared_is_the_frame_that_is_sent_otherwise() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    let (_, far) = connect(&mut two, &mut one, ConnectionClass::Bulk);
    assert!(two.links.send(1, ConnectionClass::Bulk, &REPORT, &two.outbox));
    let (_, report) = two.sent().pop_front().unwrap();
    one.hears(far, &report, 0).unwrap();
    assert!(one.links.send(2, ConnectionClass::Bulk, &REPORT, &one.outbox));
    one.sent();
    let log: Rc<[u8]> = (0..200).collect();
    let pulled = Pulled {
        round: 3,
        status: PullStatus::Entries,
        first_position: 7,
        commit_index: 8,
        end_position: 9,
        log: &log[10..150],
    };
    let owner: Rc<dyn AsRef<[u8]>> = Rc::new(log.to_vec());
    let shared = ReplicaMessage::Pulled(Pulled { log: &[], ..pulled });
    assert!(one.links.share_body(2, ConnectionClass::Bulk, &shared, (owner, 10..150), &one.outbox));
    assert_eq!(one.links.queued_bytes(2, ConnectionClass::Bulk, &one.outbox), one.outbox.total_bytes());
    let mut frame = Vec::new();
    one.sockets.drain(|_, bytes| frame.extend_from_slice(bytes));
    let (frame, _) = decode_frame_up_to(&frame, FRAME_BYTES_MAX as u32).unwrap().unwrap();
    assert_eq!(ReplicaMessage::decode(&frame).unwrap().1, ReplicaMessage::Pulled(pulled));
}

#[test]
fn what_a_slow_reader_does_not_take_is_dropped_beyond_a_limit() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    let (_, far) = connect(&mut two, &mut one, ConnectionClass::Log);
    let frame = vec![0; 1 << 20];
    let forward = crate::replication::wire::Forward { request_id: 1, client_address: "c", frame: &frame };
    let message = ReplicaMessage::Forward(forward);
    let first = one.links.send(2, ConnectionClass::Log, &message, &one.outbox);
    assert!(!first, "nothing is said to one who has not told how far its log goes");
    assert!(two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
    let (_, report) = two.sent().pop_front().unwrap();
    one.hears(far, &report, 0).unwrap();
    let taken = (0..100).take_while(|_| one.links.send(2, ConnectionClass::Log, &message, &one.outbox)).count();
    assert!((20..=24).contains(&taken), "{taken}");
    one.sockets.drain(|_, _| ());
    assert!(one.links.send(2, ConnectionClass::Log, &message, &one.outbox));
}

fn members(index: u64, ids: &[u64]) -> GroupMembers {
    let founders = ids.iter().map(|id| (*id, address(*id))).collect::<Vec<_>>();
    GroupMembers { index, ..GroupMembers::founders(&founders) }
}

/// Node `.0` dials node `.1`, which does not count it among the members; returns both ends.
fn connect_guest(dialer: &mut Node, listener: &mut Node) -> (ConnectionId, ConnectionId) {
    let (near, far) = (dialer.sockets.connect(), listener.sockets.connect());
    dialer.links.connected(ticket(listener.id, ConnectionClass::Log), near, 5, &dialer.outbox);
    let (_, hello) = dialer.sent().pop_front().unwrap();
    assert_eq!(listener.hears(far, &hello, 6), Ok("Guest".to_owned()));
    let mut said = listener.sent();
    assert!(dialer.hears(near, &said.pop_front().unwrap().1, 0).unwrap().starts_with("Up"));
    let notice = dialer.hears(near, &said.pop_front().unwrap().1, 0).unwrap();
    assert!(notice.starts_with(&format!("Message({}, Members", listener.id)), "{notice}");
    (near, far)
}

#[test]
fn one_that_is_no_member_is_told_who_is_and_nothing_it_says_is_taken() {
    let (mut four, mut one) = (Node::new(introduction(4, 1)), Node::new(introduction(1, 1)));
    let (near, far) = connect_guest(&mut four, &mut one);
    assert!(!one.links.send(4, ConnectionClass::Log, &REPORT, &one.outbox));
    assert!(four.links.send(1, ConnectionClass::Log, &REPORT, &four.outbox));
    let (_, report) = four.sent().pop_front().unwrap();
    assert_eq!(one.hears(far, &report, 0), Ok("Guest".to_owned()));
    let (_, again) = one.sent().pop_front().unwrap();
    assert!(four.hears(near, &again, 0).unwrap().contains("Members"), "so the connection lives");
    assert_eq!(one.links.nodes(), [2, 3]);
}

#[test]
fn one_that_is_added_is_told_and_connects_anew() {
    let (mut four, mut one) = (Node::new(introduction(4, 1)), Node::new(introduction(1, 1)));
    let (near, far) = connect_guest(&mut four, &mut one);
    one.links.set_members(&members(9, &[1, 2, 3, 4]), &[]);
    one.links.tell_members(&members(9, &[1, 2, 3, 4]), &one.outbox);
    let (_, notice) = one.sent().pop_front().unwrap();
    assert!(four.hears(near, &notice, 0).unwrap().contains("Members"));
    let closing: Vec<_> = one.sockets.take_closing().into_iter().map(|(id, _)| id).collect();
    assert_eq!(closing, [far]);
    four.links.closed(near, 0);
    connect(&mut four, &mut one, ConnectionClass::Log);
    assert!(one.links.is_up(4, ConnectionClass::Log));
}

#[test]
fn one_that_is_removed_is_told_and_not_heard_any_more() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    let (near, far) = connect(&mut two, &mut one, ConnectionClass::Log);
    one.links.set_members(&members(9, &[1, 3]), &[]);
    one.links.tell_members(&members(9, &[1, 3]), &one.outbox);
    let (_, notice) = one.sent().pop_front().unwrap();
    assert!(two.hears(near, &notice, 0).unwrap().contains("Members"));
    one.links.tell_members(&members(8, &[1, 2, 3]), &one.outbox);
    assert!(one.sent().is_empty(), "newer ones were told");
    assert!(two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
    let (_, report) = two.sent().pop_front().unwrap();
    assert_eq!(one.hears(far, &report, 0), Ok("Guest".to_owned()));
    assert!(!one.links.is_up(2, ConnectionClass::Log));
    assert_eq!(one.links.closed(far, 0), None);
}

/// A candidate lacked its vote for ever: the change that removed it was known, and not yet in the candidate's log.
#[test]
fn one_that_is_removed_is_heard_as_long_as_raft_counts_it() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    let (_, far) = connect(&mut two, &mut one, ConnectionClass::Log);
    one.links.set_members(&members(9, &[1, 3]), &[1, 2, 3]);
    assert_eq!(one.links.nodes(), [2, 3]);
    assert!(one.links.is_up(2, ConnectionClass::Log));
    assert!(two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
    let (_, report) = two.sent().pop_front().unwrap();
    assert!(one.hears(far, &report, 0).unwrap().starts_with("Message(2, LogEnd"));
    one.links.set_members(&members(9, &[1, 3]), &[1, 3]);
    assert!(two.links.send(1, ConnectionClass::Log, &REPORT, &two.outbox));
    let (_, report) = two.sent().pop_front().unwrap();
    assert_eq!(one.hears(far, &report, 0), Ok("Guest".to_owned()));
}

/// It took its own dial, which the other node refuses, for the way there, and dialed again whenever that was closed: it heard
/// the other node and never answered.
#[test]
fn a_connection_that_is_up_is_kept_whatever_becomes_of_a_dial_that_was_under_way() {
    let (mut two, mut one) = (Node::new(introduction(2, 1)), Node::new(introduction(1, 1)));
    one.links.dial_all(true);
    one.links.dial_due(0, &one.outbox);
    assert_eq!(one.sockets.take_dials().len(), 2 * CLASSES.len(), "of nodes 2 and 3");
    for class in [ConnectionClass::Log, ConnectionClass::Beat] {
        connect(&mut two, &mut one, class);
    }
    let late = one.sockets.connect();
    one.links.connected(ticket(2, ConnectionClass::Log), late, 7, &one.outbox);
    one.links.dial_failed(ticket(2, ConnectionClass::Beat), 0);
    let closing: Vec<_> = one.sockets.take_closing().into_iter().map(|(id, _)| id).collect();
    assert_eq!(closing, [late]);
    one.links.closed(late, 0);
    one.links.dial_due(REDIAL_MS, &one.outbox);
    assert_eq!(one.sockets.take_dials().len(), 0, "those to node 3 and the third to node 2 are under way");
    for class in [ConnectionClass::Log, ConnectionClass::Beat] {
        assert!(one.links.is_up(2, class) && one.links.send(2, class, &REPORT, &one.outbox));
    }
}

#[test]
fn one_that_knows_no_leader_for_long_asks_those_too_that_should_dial_it() {
    let mut node = Node::new(introduction(2, 1));
    node.links.dial_all(true);
    node.links.dial_due(0, &node.outbox);
    let dialed: Vec<_> = node.sockets.take_dials().into_iter().map(|dial| dial.remote).collect();
    assert_eq!(dialed, [1, 1, 1, 3, 3, 3].map(address));
}
