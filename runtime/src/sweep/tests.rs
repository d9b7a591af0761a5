//! Replicas' connections over real sockets, beside those of clients.

mod running_shard;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use running_shard::{LIMIT, Order, RunningShard, STALL, Told, frame, options};
use socket2::{Domain, Socket, Type};

use crate::outbox::CONNECTION_BYTES_MAX;
use crate::{
    ConnectionId, DIAL_TIMEOUT, DialError, Origin, Peer, REPLICA_CONNECTIONS_MAX, REPLICA_FRAME_BYTES_MAX, ServeOptions,
};

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

fn dialed(shard: &RunningShard) -> (u64, Result<Peer, DialError>) {
    shard.until(|told| match told {
        Told::Dialed(ticket, result) => Some((ticket, result)),
        _ => None,
    })
}

fn connected(shard: &RunningShard) -> Peer {
    shard.until(|told| match told {
        Told::Connected(peer) => Some(peer),
        _ => None,
    })
}

/// Whose frame came, and its body.
fn received(shard: &RunningShard) -> (ConnectionId, Vec<u8>) {
    shard.until(|told| match told {
        Told::Frame(peer, body) => Some((peer.id, body)),
        _ => None,
    })
}

fn closed(shard: &RunningShard) -> ConnectionId {
    shard.until(|told| match told {
        Told::Closed(peer) => Some(peer.id),
        _ => None,
    })
}

/// The other end has closed, without or with a reset.
fn is_at_end(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A port whose listener takes no more: what comes is dropped without a word.
fn silent_port() -> (TcpListener, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap().into();
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let answered = socket.connect_timeout(&address, Duration::from_millis(200)).is_ok();
        waiting.push(socket);
        if !answered {
            return (listener, waiting);
        }
        assert!(waiting.len() < 16, "a backlog of none takes no more than a few");
    }
}

#[test]
fn replicas_meet_and_either_sends_to_the_other() {
    let (dialer, acceptor) = (RunningShard::start(options()), RunningShard::start(options()));
    dialer.order(Order::Dial(acceptor.replicas, 7));
    let (ticket, made) = dialed(&dialer);
    let (made, accepted) = (made.unwrap(), connected(&acceptor));
    assert_eq!((ticket, made.origin, made.remote), (7, Origin::ReplicaDialed { ticket: 7 }, acceptor.replicas));
    assert_eq!((accepted.origin, accepted.remote, accepted.local), (Origin::ReplicaAccepted, made.local, made.remote));
    for body in [b"one".to_vec(), b"two".to_vec()] {
        dialer.order(Order::Send(made.id, body.clone()));
        assert_eq!(received(&acceptor), (accepted.id, body.clone()));
        acceptor.order(Order::Send(accepted.id, body.clone()));
        assert_eq!(received(&dialer), (made.id, body));
    }
}

#[test]
fn a_dialed_connection_is_told_as_connected_first_like_every_other() {
    let (dialer, acceptor) = (RunningShard::start(options()), RunningShard::start(options()));
    dialer.order(Order::Dial(acceptor.replicas, 1));
    let told = [dialer.next(), dialer.next()];
    let [Told::Connected(first), Told::Dialed(1, Ok(second))] = told else { panic!("{told:?}") };
    assert_eq!(first.id, second.id);
}

#[test]
fn a_refused_dial_says_so_and_what_to_look_at() {
    let shard = RunningShard::start(options());
    // Bound, so that nobody else gets the port, and not listening.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    nobody.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = nobody.local_addr().unwrap().as_socket().unwrap();
    shard.order(Order::Dial(address, 3));
    let (ticket, result) = dialed(&shard);
    let error = result.unwrap_err();
    assert!(ticket == 3 && matches!(error, DialError::Failed { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("Nothing listens there"), "{text}");
}

#[test]
fn an_address_that_cannot_be_connected_to_fails_at_once() {
    let shard = RunningShard::start(options());
    let began = Instant::now();
    shard.order(Order::Dial("255.255.255.255:1".parse().unwrap(), 3));
    let (_, result) = dialed(&shard);
    assert!(matches!(result, Err(DialError::Failed { .. })), "{result:?}");
    assert!(began.elapsed() < DIAL_TIMEOUT);
}

#[test]
fn a_dial_that_nobody_answers_is_given_up_in_time_and_keeps_nobody_waiting() {
    let shard = RunningShard::start(options());
    let (silent, _waiting) = silent_port();
    let mut client = connect(shard.clients);
    let client_id = connected(&shard).id;
    let began = Instant::now();
    shard.order(Order::Dial(silent.local_addr().unwrap(), 4));
    client.write_all(&frame(b"meanwhile")).unwrap();
    let told = shard.next();
    assert!(matches!(&told, Told::Frame(peer, _) if peer.id == client_id), "{told:?}");
    let (ticket, result) = dialed(&shard);
    let took = began.elapsed();
    assert!(ticket == 4 && matches!(result, Err(DialError::TimedOut { .. })), "{result:?}");
    assert!(took >= DIAL_TIMEOUT && took < DIAL_TIMEOUT + Duration::from_millis(700), "{took:?}");
}

#[test]
fn a_shard_that_stops_answers_dials_under_way() {
    let mut shard = RunningShard::start(options());
    let (silent, _waiting) = silent_port();
    shard.order(Order::Dial(silent.local_addr().unwrap(), 5));
    shard.stop();
    let (ticket, result) = dialed(&shard);
    assert!(ticket == 5 && matches!(result, Err(DialError::Ended { .. })), "{result:?}");
}

#[test]
fn no_more_than_so_many_are_dialed_and_one_that_is_closed_makes_room() {
    let shard = RunningShard::start(options());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for ticket in 0..=REPLICA_CONNECTIONS_MAX as u64 {
        shard.order(Order::Dial(address, ticket));
    }
    let (made, failed): (Vec<_>, Vec<_>) =
        (0..=REPLICA_CONNECTIONS_MAX).map(|_| dialed(&shard).1).partition(Result::is_ok);
    assert_eq!(made.len(), REPLICA_CONNECTIONS_MAX);
    assert!(matches!(failed[..], [Err(DialError::TooMany { limit: REPLICA_CONNECTIONS_MAX, .. })]), "{failed:?}");
    let first = made[0].as_ref().unwrap().id;
    shard.order(Order::Close(first));
    assert_eq!(closed(&shard), first);
    shard.order(Order::Dial(address, 99));
    assert_eq!(dialed(&shard).1.unwrap().origin, Origin::ReplicaDialed { ticket: 99 });
}

#[test]
fn replicas_and_clients_take_no_room_from_each_other() {
    let shard = RunningShard::start(ServeOptions { connections_max: 1, ..options() });
    let _replicas: Vec<_> = (0..REPLICA_CONNECTIONS_MAX).map(|_| connect(shard.replicas)).collect();
    for _ in 0..REPLICA_CONNECTIONS_MAX {
        assert_eq!(connected(&shard).origin, Origin::ReplicaAccepted);
    }
    let mut one_too_many = connect(shard.replicas);
    assert!(is_at_end(&mut one_too_many));
    let _client = connect(shard.clients);
    assert_eq!(connected(&shard).origin, Origin::Client);
    let mut one_too_many = connect(shard.clients);
    assert!(is_at_end(&mut one_too_many));
    // Strangers that fill the port do not keep the shard from reaching the others.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    shard.order(Order::Dial(listener.local_addr().unwrap(), 1));
    assert!(dialed(&shard).1.is_ok());
}

#[test]
fn a_frame_of_20_mib_passes_between_replicas_and_closes_a_client() {
    let shard = RunningShard::start(options());
    let body: Vec<u8> = (0..20 << 20).map(|at: u32| (at % 251) as u8).collect();
    let mut replica = connect(shard.replicas);
    replica.write_all(&frame(&body)).unwrap();
    let (_, got) = received(&shard);
    assert!(got == body, "{} bytes arrived", got.len());
    replica.write_all(&frame(b"next")).unwrap();
    assert_eq!(received(&shard).1, b"next");

    let mut client = connect(shard.clients);
    let id = connected(&shard).id;
    client.write_all(&frame(&body)[..8]).unwrap();
    assert_eq!(closed(&shard), id);
    assert!(is_at_end(&mut client));
}

#[test]
fn a_dialed_connection_takes_long_frames_too_but_none_over_the_limit() {
    let shard = RunningShard::start(options());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    shard.order(Order::Dial(listener.local_addr().unwrap(), 1));
    let id = dialed(&shard).1.unwrap().id;
    let (mut replica, _) = listener.accept().unwrap();
    let longest = vec![1; REPLICA_FRAME_BYTES_MAX as usize - 8];
    replica.write_all(&frame(&longest)).unwrap();
    assert_eq!(received(&shard).1.len(), longest.len());
    replica.write_all(&(REPLICA_FRAME_BYTES_MAX - 3).to_be_bytes()).unwrap();
    assert_eq!(closed(&shard), id);
}

#[test]
fn a_replica_is_read_although_it_has_not_read_and_a_client_is_not() {
    let shard = RunningShard::start(options());
    let mut client = connect(shard.clients);
    let client_id = connected(&shard).id;
    let mut replica = connect(shard.replicas);
    let replica_id = connected(&shard).id;
    // More than both ends' socket buffers take.
    let queued = 64 << 20;
    for id in [client_id, replica_id] {
        shard.order(Order::Queue(id, queued));
    }
    for id in [client_id, replica_id] {
        assert!(shard.queued_bytes(id) > CONNECTION_BYTES_MAX);
    }
    // The client's comes first. If it were taken, it would be told first.
    client.write_all(&frame(b"of the client")).unwrap();
    replica.write_all(&frame(b"of the replica")).unwrap();
    assert_eq!(received(&shard), (replica_id, b"of the replica".to_vec()));
    let mut answers = vec![0; queued];
    client.read_exact(&mut answers).unwrap();
    assert_eq!(received(&shard), (client_id, b"of the client".to_vec()));
    replica.read_exact(&mut answers).unwrap();
}

#[test]
fn a_silent_replica_is_closed_after_its_own_time_and_one_that_sends_is_not() {
    let shard = RunningShard::start(ServeOptions { replica_idle_timeout: Duration::from_secs(1), ..options() });
    let mut silent = connect(shard.replicas);
    let silent_id = connected(&shard).id;
    let mut busy = connect(shard.replicas);
    let busy_id = connected(&shard).id;
    let mut client = connect(shard.clients);
    let client_id = connected(&shard).id;
    let began = Instant::now();
    let mut first_closed = None;
    while first_closed.is_none() {
        assert!(began.elapsed() < LIMIT);
        busy.write_all(&frame(b"beat")).unwrap();
        first_closed = shard.next_within(Duration::from_millis(50)).and_then(|told| match told {
            Told::Closed(peer) => Some(peer.id),
            _ => None,
        });
    }
    assert_eq!(first_closed, Some(silent_id));
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(is_at_end(&mut silent));
    for (stream, id) in [(&mut busy, busy_id), (&mut client, client_id)] {
        stream.write_all(&frame(b"still here")).unwrap();
        let still_here = |told| match told {
            Told::Frame(peer, body) => (body == b"still here").then_some(peer.id),
            Told::Closed(peer) => panic!("{peer:?} was closed"),
            _ => None,
        };
        assert_eq!(shard.until(still_here), id);
    }
}

#[test]
fn a_dialed_connection_that_the_other_end_closes_is_told() {
    let shard = RunningShard::start(options());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    shard.order(Order::Dial(listener.local_addr().unwrap(), 1));
    let made = dialed(&shard).1.unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(closed(&shard), made.id);
}

#[test]
fn what_a_shard_hangs_up_on_is_closed_at_the_other_end() {
    let (dialer, acceptor) = (RunningShard::start(options()), RunningShard::start(options()));
    dialer.order(Order::Dial(acceptor.replicas, 1));
    let made = dialed(&dialer).1.unwrap();
    let accepted = connected(&acceptor);
    dialer.order(Order::Close(made.id));
    assert_eq!(closed(&dialer), made.id);
    assert_eq!(closed(&acceptor), accepted.id);
}

#[test]
fn a_replica_whose_frame_cannot_be_taken_is_closed_instead_of_kept_waiting() {
    let shard = RunningShard::start(options());
    let mut replica = connect(shard.replicas);
    let id = connected(&shard).id;
    replica.write_all(&frame(STALL)).unwrap();
    assert_eq!(closed(&shard), id);
    assert!(is_at_end(&mut replica));
}

#[test]
fn garbage_on_the_replicas_port_closes_that_connection_only() {
    let shard = RunningShard::start(options());
    let mut good = connect(shard.replicas);
    let good_id = connected(&shard).id;
    let mut bad = connect(shard.replicas);
    let bad_id = connected(&shard).id;
    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(closed(&shard), bad_id);
    assert!(is_at_end(&mut bad));
    good.write_all(&frame(b"good")).unwrap();
    assert_eq!(received(&shard), (good_id, b"good".to_vec()));
}
