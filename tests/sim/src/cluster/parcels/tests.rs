use super::*;

const EXACT: ClockSpan = ClockSpan { earliest_ms: 0, latest_ms: 0 };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn window(asked: u64, heard: u64) -> Window {
    Window { asked: ms(asked), heard: ms(heard) }
}

fn at(number: u64) -> Popped {
    Popped { number, queue_id: 0, offset: number }
}

/// So many that were acknowledged, in one queue.
fn stored(count: u64) -> Parcels {
    let mut parcels = Parcels::default();
    parcels.note(0, EXACT);
    for _ in 0..count {
        let number = parcels.begin();
        parcels.stored(number, 0, number);
    }
    parcels
}

/// One that a group was given for a second.
fn given(group: usize) -> (Parcels, Handle) {
    let mut parcels = stored(1);
    let handles = parcels.popped(group, window(100, 110), ms(1000), &[at(0)]).unwrap();
    (parcels, handles[0])
}

fn ack(parcels: &mut Parcels, handle: Handle, asked: u64) -> Result<(), Violation> {
    parcels.ack_begins(handle, ms(asked));
    parcels.acked(handle, window(asked, asked + 10), true)
}

fn refuses<T: std::fmt::Debug>(result: Result<T, Violation>, words: &str) {
    let Violation(why) = result.unwrap_err();
    assert!(why.contains(words), "{why}");
}

#[test]
fn what_is_done_does_not_come_again_unless_that_may_be_forgotten() {
    let (mut parcels, handle) = given(0);
    ack(&mut parcels, handle, 200).unwrap();
    refuses(parcels.popped(0, window(5000, 5010), ms(1000), &[at(0)]), "done before");
    parcels.popped(1, window(5000, 5010), ms(1000), &[at(0)]).unwrap();
    parcels.note(1, EXACT);
    parcels.popped(0, window(6000, 6010), ms(1000), &[at(0)]).unwrap();
    refuses(parcels.popped(0, window(6000, 6010), ms(1000), &[at(9)]), "nobody sent");
}

#[test]
fn everything_is_done_by_everybody_or_dead_in_the_end() {
    let mut parcels = stored(1);
    for (group, PopGroup { retries_max, .. }) in GROUPS.iter().enumerate() {
        assert!(parcels.missing().is_some());
        let handles = parcels.popped(group, window(100, 110), ms(1000), &[at(0)]).unwrap();
        if retries_max.is_some() {
            parcels.found_dead(group, 0, ms(4000)).unwrap();
            refuses(parcels.popped(group, window(5000, 5010), ms(1000), &[at(0)]), "dead before");
        } else {
            ack(&mut parcels, handles[0], 200).unwrap();
        }
    }
    assert_eq!(parcels.missing(), None);
    refuses(parcels.found_dead(0, 0, ms(4000)), "not to be");
}

#[test]
fn a_handle_that_is_expired_and_whose_message_came_again_is_not_taken() {
    let (mut parcels, old) = given(0);
    parcels.popped(0, window(1300, 1310), ms(1000), &[Popped { queue_id: 0, offset: 0, number: 0 }]).unwrap();
    parcels.ack_begins(old, ms(1400));
    parcels.ack_refused(old, window(1400, 1410), true).unwrap();
    assert!(parcels.missing().is_some());
    refuses(ack(&mut parcels, old, 1400), "was expired");
    parcels.note(0, ClockSpan { earliest_ms: -400, latest_ms: 0 });
    ack(&mut parcels, old, 1400).unwrap();
}

#[test]
fn a_handle_that_was_replaced_is_not_taken_and_a_good_one_is_not_refused() {
    let (mut parcels, old) = given(0);
    refuses(parcels.handle_refused(old, window(200, 210), true), "that is good");
    assert!(parcels.change_begins(old, ms(300), ms(2000)));
    assert!(!parcels.ack_begins(old, ms(310)), "it may have another handle");
    parcels.ack_refused(old, window(310, 320), false).unwrap();
    let new = parcels.changed(old, window(300, 330), ms(2000)).unwrap();
    refuses(ack(&mut parcels, old, 400), "was replaced");
    refuses(parcels.handle_refused(new, window(400, 410), true), "that is good");
    refuses(parcels.popped(0, window(2000, 2010), ms(10), &[at(0)]), "while it is out");
    ack(&mut parcels, new, 500).unwrap();
    refuses(parcels.popped(0, window(9000, 9010), ms(10), &[at(0)]), "done before");
}

#[test]
fn of_many_acknowledgements_only_those_in_time_are_sure_to_be_done() {
    let (mut parcels, handle) = given(0);
    parcels.ack_begins(handle, ms(1095));
    parcels.acked(handle, window(1095, 1105), false).unwrap();
    parcels.popped(0, window(5000, 5010), ms(1000), &[at(0)]).unwrap();
}

#[test]
fn a_queue_that_is_popped_in_order_passes_nothing_over() {
    let mut parcels = stored(3);
    refuses(parcels.popped(2, window(0, 1), ms(1000), &[at(1)]), "passed over");
    refuses(parcels.popped(2, window(0, 1), ms(1000), &[at(1), at(0)]), "out of order");
    let handles = parcels.popped(2, window(0, 1), ms(1000), &[at(0), at(1)]).unwrap();
    ack(&mut parcels, handles[0], 100).unwrap();
    refuses(parcels.popped(2, window(200, 210), ms(1000), &[at(2)]), "passed over");
    ack(&mut parcels, handles[1], 300).unwrap();
    parcels.popped(2, window(400, 410), ms(1000), &[at(2)]).unwrap();
}
