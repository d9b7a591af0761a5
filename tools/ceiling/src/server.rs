//! The server: ready sockets are read in one sweep, what they brought is one group commit, replies go out together.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use glommio::{LocalExecutorBuilder, Placement};

use crate::commit::Commit;
use crate::connection::Connection;
use crate::direct_log::DirectLog;
use crate::epoll_set::{EpollSet, Events, Ready};
use crate::error::CeilingError;
use crate::frame;

/// Sweeps that find nothing before the thread sleeps.
const IDLE_SWEEPS: u32 = 2;
/// Under load, finished I/O waits at most this long: glommio looks at it when no task can run.
const REAP: Duration = Duration::from_micros(250);
/// Bytes that wait to be written. Beyond it no socket is read, as in the broker.
const PENDING_BYTES_MAX: usize = 16 << 20;
/// As in the broker: glommio would sleep for ever if this passed before the first task has run.
const PREEMPT: Duration = Duration::from_secs(2);
/// Registered memory, small enough for the usual limit on locked memory.
const IO_MEMORY_BYTES: usize = 1 << 20;
const LISTENER_TOKEN: usize = usize::MAX;

/// What to serve, and how.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Processor the thread is pinned to.
    pub cpu: usize,
    /// When a request is answered.
    pub commit: Commit,
    /// The log file; it takes 1 GiB.
    pub file: PathBuf,
    /// Content of a reply, bytes.
    pub reply_bytes: usize,
}

/// Shared by the sweep and the committer, both on one thread. Never borrowed over an await.
struct State {
    epoll: EpollSet,
    connections: Vec<Option<Connection>>,
    /// Received and not yet being written.
    pending: Vec<u8>,
    /// Connection and requests whose replies wait for the write that takes `pending`.
    waiting: Vec<(usize, usize)>,
    committer: Option<Waker>,
    sweeper: Option<Waker>,
    failure: Option<CeilingError>,
    reply: Vec<u8>,
}

/// Serves until it fails; `ready` is told where it listens.
/// # Errors
/// The socket, the executor, the log file or the epoll set.
pub fn run(options: ServerOptions, ready: impl FnOnce(SocketAddr) + Send + 'static) -> Result<(), CeilingError> {
    let cpu = options.cpu;
    let failed = |reason: String| CeilingError::Executor { cpu, reason };
    let builder = LocalExecutorBuilder::new(Placement::Fixed(cpu)).name("bare-ceiling");
    let builder = builder.io_memory(IO_MEMORY_BYTES).preempt_timer(PREEMPT);
    let thread = builder.spawn(move || serve(options, ready)).map_err(|error| failed(error.to_string()))?;
    thread.join().map_err(|error| failed(error.to_string()))?
}

async fn serve(options: ServerOptions, ready: impl FnOnce(SocketAddr)) -> Result<(), CeilingError> {
    let listen = |source| CeilingError::Listen { address: options.address, source };
    let listener = TcpListener::bind(options.address).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let epoll = EpollSet::new().map_err(|source| socket("the epoll set", source))?;
    epoll.add(&listener, LISTENER_TOKEN).map_err(|source| socket("watching the listener", source))?;
    let state = Rc::new(RefCell::new(State {
        epoll,
        connections: Vec::new(),
        pending: Vec::new(),
        waiting: Vec::new(),
        committer: None,
        sweeper: None,
        failure: None,
        reply: frame::filled(options.reply_bytes, 0),
    }));
    if options.commit.writes() {
        let log = DirectLog::create(&options.file).await?;
        let state = state.clone();
        glommio::spawn_local(async move {
            let Err(error) = commit(&state, log, options.commit).await;
            let mut state = state.borrow_mut();
            state.failure = Some(error);
            if let Some(sweeper) = state.sweeper.take() {
                sweeper.wake();
            }
        })
        .detach();
    }
    ready(listener.local_addr().map_err(listen)?);
    sweep_for_ever(&state, &listener, options.commit).await
}

async fn sweep_for_ever(state: &RefCell<State>, listener: &TcpListener, commit: Commit) -> Result<(), CeilingError> {
    let mut events = Events::new();
    let mut idle_sweeps = 0;
    let mut next_reap = Instant::now();
    loop {
        let is_full = {
            let mut state = state.borrow_mut();
            if let Some(error) = state.failure.take() {
                return Err(error);
            }
            state.pending.len() >= PENDING_BYTES_MAX
        };
        if is_full {
            // The committer has to write first. Finished I/O is seen when this thread has nothing else to do.
            glommio::timer::sleep(REAP).await;
            continue;
        }
        state.borrow().epoll.collect(&mut events, Duration::ZERO).map_err(|source| socket("the epoll set", source))?;
        if events.is_empty() {
            idle_sweeps += 1;
        } else {
            idle_sweeps = 0;
            state.borrow_mut().sweep(&events, listener, commit)?;
        }
        let now = Instant::now();
        if idle_sweeps > IDLE_SWEEPS || now >= next_reap {
            wait(state).await?;
            idle_sweeps = 0;
            next_reap = Instant::now() + REAP;
        } else {
            glommio::executor().yield_now().await;
        }
    }
}

/// Until a socket is ready, or the committer has failed.
async fn wait(state: &RefCell<State>) -> Result<(), CeilingError> {
    let ready = state.borrow().epoll.ready().map_err(|source| socket("waiting for the epoll set", source))?;
    let mut ready = Box::pin(ready);
    poll_fn(|context| {
        let mut state = state.borrow_mut();
        if state.failure.is_some() {
            return Poll::Ready(());
        }
        state.sweeper = Some(context.waker().clone());
        ready.as_mut().poll(context)
    })
    .await;
    Ok(())
}

impl State {
    fn sweep(&mut self, events: &Events, listener: &TcpListener, commit: Commit) -> Result<(), CeilingError> {
        for ready in events.ready() {
            if ready.token == LISTENER_TOKEN {
                self.accept(listener)?;
            } else if !self.serve_ready(ready, commit)? {
                self.close(ready.token);
            }
        }
        if self.has_work()
            && let Some(committer) = self.committer.take()
        {
            committer.wake();
        }
        Ok(())
    }

    /// For the committer. Requests may have come that have nothing to write, and wait all the same.
    fn has_work(&self) -> bool {
        !self.pending.is_empty() || !self.waiting.is_empty()
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<(), CeilingError> {
        while let Ok((accepted, _)) = listener.accept() {
            let connection = Connection::new(accepted).map_err(|source| socket("setting up a connection", source))?;
            let token = self.connections.len();
            let added = self.epoll.add(&connection.socket, token);
            added.map_err(|source| socket("watching a connection", source))?;
            self.connections.push(Some(connection));
        }
        Ok(())
    }

    /// False: the connection has ended.
    fn serve_ready(&mut self, ready: Ready, commit: Commit) -> Result<bool, CeilingError> {
        let Some(connection) = self.connections[ready.token].as_mut() else { return Ok(true) };
        if !ready.readable {
            return self.send(ready.token);
        }
        let pending = &mut self.pending;
        let received = if commit.writes() {
            connection.receive(|content| pending.extend_from_slice(content))?
        } else {
            connection.receive(|_| {})?
        };
        if received.is_closed {
            return Ok(false);
        }
        if commit.waits() {
            self.waiting.push((ready.token, received.frames));
            return if ready.writable { self.send(ready.token) } else { Ok(true) };
        }
        self.answer(ready.token, received.frames)
    }

    fn answer(&mut self, token: usize, count: usize) -> Result<bool, CeilingError> {
        if let Some(connection) = self.connections[token].as_mut() {
            connection.outgoing.push(&self.reply, count);
        }
        self.send(token)
    }

    fn send(&mut self, token: usize) -> Result<bool, CeilingError> {
        let Some(connection) = self.connections[token].as_mut() else { return Ok(true) };
        let Ok(all) = connection.outgoing.send(&mut connection.socket) else { return Ok(false) };
        if connection.waits_to_write == all {
            connection.waits_to_write = !all;
            let watched = self.epoll.watch(&connection.socket, token, !all);
            watched.map_err(|source| socket("watching a connection", source))?;
        }
        Ok(true)
    }

    /// Slots are not used again: the load opens all of its connections once.
    fn close(&mut self, token: usize) {
        if let Some(connection) = self.connections[token].take() {
            let _ = self.epoll.remove(&connection.socket);
        }
    }
}

/// Writes what is pending in one write, again and again; answers those who waited for it.
async fn commit(
    state: &RefCell<State>,
    mut log: DirectLog,
    commit: Commit,
) -> Result<std::convert::Infallible, CeilingError> {
    loop {
        let (bytes, waiting) = poll_fn(|context| {
            let state = &mut *state.borrow_mut();
            if !state.has_work() {
                state.committer = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready((std::mem::take(&mut state.pending), std::mem::take(&mut state.waiting)))
        })
        .await;
        log.append(&bytes, commit == Commit::Sync).await?;
        let mut state = state.borrow_mut();
        for (token, count) in waiting {
            if !state.answer(token, count)? {
                state.close(token);
            }
        }
    }
}

fn socket(what: &'static str, source: std::io::Error) -> CeilingError {
    CeilingError::Socket { what, source }
}
