use super::*;

const CLIENT: HostId = HostId(1000);
const BROKER: HostId = HostId(1);
const SECOND: Duration = Duration::from_secs(1);

/// A network, and the moment up to which everything has arrived.
struct Stage {
    network: SimNetwork,
    now: Duration,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let mut network = SimNetwork::new(seed);
        network.set_reception(BROKER, Reception::Listens);
        Self { network, now: Duration::ZERO }
    }

    /// All that arrives within `within`.
    fn arrivals(&mut self, within: Duration) -> Vec<(End, Arrival)> {
        let until = self.now + within;
        let mut arrived = Vec::new();
        while let Some(due) = self.network.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            while let Some((_, end, arrival)) = self.network.take_arrival(self.now) {
                arrived.push((end, arrival));
            }
        }
        self.now = until;
        arrived
    }

    fn connect(&mut self) -> End {
        let end = self.network.dial(self.now, CLIENT, BROKER, 7);
        let accepted = Arrival::Accepted { from: CLIENT, port: 7 };
        assert_eq!(self.arrivals(SECOND), [(end.other(), accepted), (end, Arrival::Connected)]);
        end
    }
}

fn bytes_to(end: End, arrived: &[(End, Arrival)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (to, arrival) in arrived {
        if let Arrival::Bytes(piece) = arrival
            && *to == end
        {
            bytes.extend_from_slice(piece);
        }
    }
    bytes
}

fn closed(arrived: &[(End, Arrival)], end: End) -> bool {
    arrived.contains(&(end, Arrival::Closed))
}

#[test]
fn a_stream_arrives_whole_and_in_order_however_it_is_cut() {
    let mut pieces = 0;
    for seed in 0..50 {
        let mut stage = Stage::new(seed);
        let end = stage.connect();
        let sent: Vec<u8> = (0..=255).collect();
        for chunk in sent.chunks(60) {
            stage.network.send(stage.now, end, chunk);
        }
        let arrived = stage.arrivals(SECOND);
        pieces += arrived.len();
        assert_eq!(bytes_to(end.other(), &arrived), sent, "seed={seed}");
    }
    assert!(pieces > 50 * 5, "nothing was cut");
}

#[test]
fn what_is_sent_over_a_silent_link_arrives_when_it_is_heard_again() {
    let mut stage = Stage::new(1);
    let end = stage.connect();
    stage.network.silence(CLIENT, BROKER);
    stage.network.send(stage.now, end, b"question");
    // The other direction is heard.
    stage.network.send(stage.now, end.other(), b"news");
    let arrived = stage.arrivals(10 * SECOND);
    assert_eq!(bytes_to(end, &arrived), b"news");
    assert_eq!(bytes_to(end.other(), &arrived), b"");
    stage.network.send(stage.now, end, b" asked");
    stage.network.unsilence(stage.now, CLIENT, BROKER);
    let arrived = stage.arrivals(RESUME_MAX);
    assert_eq!(bytes_to(end.other(), &arrived), b"question asked");
}

#[test]
fn a_link_silenced_twice_is_heard_again_after_both_are_over() {
    let mut stage = Stage::new(2);
    let end = stage.connect();
    stage.network.silence(CLIENT, BROKER);
    stage.network.silence(CLIENT, BROKER);
    stage.network.send(stage.now, end, b"x");
    stage.network.unsilence(stage.now, CLIENT, BROKER);
    assert_eq!(stage.arrivals(10 * SECOND), []);
    stage.network.unsilence(stage.now, CLIENT, BROKER);
    assert_eq!(bytes_to(end.other(), &stage.arrivals(RESUME_MAX)), b"x");
}

#[test]
fn a_dial_is_refused_where_nobody_listens_and_never_answered_where_there_is_no_power() {
    let mut stage = Stage::new(3);
    stage.network.set_reception(BROKER, Reception::Refuses);
    let refused = stage.network.dial(stage.now, CLIENT, BROKER, 7);
    assert_eq!(stage.arrivals(SECOND), [(refused, Arrival::Closed)]);
    stage.network.set_reception(BROKER, Reception::Dark);
    stage.network.dial(stage.now, CLIENT, BROKER, 7);
    assert_eq!(stage.arrivals(100 * SECOND), []);
}

#[test]
fn the_machine_of_a_dead_process_closes_its_connections() {
    for seed in 0..20 {
        let mut stage = Stage::new(seed);
        let end = stage.connect();
        stage.network.send(stage.now, end.other(), b"last words");
        stage.network.process_died(stage.now, BROKER);
        let arrived = stage.arrivals(SECOND);
        assert!(closed(&arrived, end), "seed={seed}");
        assert!(b"last words".starts_with(&bytes_to(end, &arrived)), "seed={seed}");
    }
}

#[test]
fn nobody_hears_of_a_power_loss_before_he_asks_the_machine_that_is_back() {
    let mut stage = Stage::new(4);
    let end = stage.connect();
    stage.network.power_lost(BROKER);
    stage.network.set_reception(BROKER, Reception::Dark);
    stage.network.send(stage.now, end, b"are you there?");
    assert_eq!(stage.arrivals(100 * SECOND), []);
    stage.network.set_reception(BROKER, Reception::Listens);
    assert_eq!(stage.arrivals(100 * SECOND), []);
    stage.network.send(stage.now, end, b"and now?");
    assert_eq!(stage.arrivals(SECOND), [(end, Arrival::Closed)]);
}

#[test]
fn a_connection_may_break_at_one_end_alone_and_the_other_finds_out_when_it_speaks() {
    let mut half_open = 0;
    for seed in 0..50 {
        let mut stage = Stage::new(seed);
        let end = stage.connect();
        stage.network.break_between(CLIENT, BROKER, 1.0);
        let arrived = stage.arrivals(SECOND);
        let (here, there) = (closed(&arrived, end), closed(&arrived, end.other()));
        assert!(here || there, "seed={seed}");
        if here != there {
            half_open += 1;
            let knows = if here { end.other() } else { end };
            stage.network.send(stage.now, knows, b"x");
            assert_eq!(stage.arrivals(SECOND), [(knows, Arrival::Closed)], "seed={seed}");
        }
    }
    assert!(half_open > 0);
}

#[test]
fn a_stream_never_goes_on_behind_a_gap() {
    for seed in 0..200 {
        let mut stage = Stage::new(seed);
        let end = stage.connect();
        stage.network.silence(BROKER, CLIENT);
        stage.network.send(stage.now, end, b"0123456789");
        stage.network.break_between(CLIENT, BROKER, 1.0);
        let mut arrived = stage.arrivals(Duration::from_micros(100));
        stage.network.send(stage.now, end, b"abc");
        stage.network.unsilence(stage.now, BROKER, CLIENT);
        arrived.extend(stage.arrivals(10 * SECOND));
        assert!(b"0123456789abc".starts_with(&bytes_to(end.other(), &arrived)), "seed={seed}");
    }
}

#[test]
fn a_closed_connection_delivers_what_was_sent_before() {
    let mut stage = Stage::new(5);
    let end = stage.connect();
    stage.network.send(stage.now, end, b"bye");
    stage.network.close(stage.now, end);
    let arrived = stage.arrivals(SECOND);
    assert_eq!(bytes_to(end.other(), &arrived), b"bye");
    assert_eq!(arrived.last(), Some(&(end.other(), Arrival::Closed)));
}
