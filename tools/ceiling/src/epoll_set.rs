//! An epoll set, waited for with a time limit or awaited on a glommio executor.

use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};

/// Events of one look.
const EVENTS_MAX: usize = 512;

/// The set. Tokens are the caller's.
#[derive(Debug)]
pub(crate) struct EpollSet {
    set: OwnedFd,
}

/// What a socket is ready for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) token: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// Room for the events of one look, kept by its user from look to look.
pub(crate) struct Events(Vec<epoll::Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS_MAX))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = Ready> {
        self.0.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: usize::try_from(event.data.u64()).expect("a token was a usize"),
                readable: flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP),
                writable: flags.contains(EventFlags::OUT),
            }
        })
    }
}

impl EpollSet {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { set: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    pub(crate) fn add(&self, socket: impl AsFd, token: usize) -> io::Result<()> {
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token as u64), EventFlags::IN)?)
    }

    /// Watches for room to write too, or no more.
    pub(crate) fn watch(&self, socket: impl AsFd, token: usize, write: bool) -> io::Result<()> {
        let flags = if write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.set, socket, epoll::EventData::new_u64(token as u64), flags)?)
    }

    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.set, socket)?)
    }

    /// Replaces `events` by what is ready, after at most `wait`.
    pub(crate) fn collect(&self, events: &mut Events, wait: Duration) -> io::Result<()> {
        events.0.clear();
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let wait = Timespec { tv_sec: seconds, tv_nsec: wait.subsec_nanos().into() };
        match epoll::wait(&self.set, spare_capacity(&mut events.0), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Completes once something is ready. glommio has no readiness future for a plain descriptor, but a stream of its
    /// own polls its descriptor through io_uring before it receives; on an epoll descriptor the receive then fails.
    pub(crate) fn ready(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        let own = self.set.try_clone()?.into_raw_fd();
        // SAFETY: `own` is open and nobody else's; the stream closes it.
        let mut stream = unsafe { glommio::net::TcpStream::from_raw_fd(own) };
        Ok(async move {
            let _ = stream.read(&mut [0]).await;
        })
    }
}
