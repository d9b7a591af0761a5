//! One epoll set for all sockets of a shard, awaited through glommio.
//!
//! A glommio socket with a task of its own costs more CPU a message than the message when many clients each have one
//! request under way; one set for all brings that back. glommio offers no readiness future for a plain descriptor, but
//! one of its streams arms a poll on its descriptor when it is made and receives only after that has fired. On an
//! epoll descriptor the receive fails, which is the signal.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::AsyncReadExt;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::event::{Timespec, epoll::EventFlags};

use crate::time;

/// Events of one sweep; what is ready beyond it comes with the next.
const EVENTS_MAX: usize = 512;
/// How often is looked while there is no descriptor to wait with.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

type Readable = Pin<Box<dyn Future<Output = ()>>>;

/// The set. Tokens are the caller's.
pub(crate) struct Epoll {
    set: OwnedFd,
    events: Vec<epoll::Event>,
    readable: Option<Readable>,
    /// A second descriptor of the set, for the next stream. Taken at the moment the last stream gave its one back: a
    /// process that has run out of them since still waits.
    own: Option<OwnedFd>,
}

/// What a socket is ready for.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The other end is gone. Said again and again, whatever is watched.
    pub(crate) hung_up: bool,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let own = Some(set.try_clone()?);
        Ok(Self { set, events: Vec::with_capacity(EVENTS_MAX), readable: None, own })
    }

    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token), EventFlags::IN)?)
    }

    /// For a socket that is being connected: it is writable once that is decided.
    pub(crate) fn add_connecting(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token), EventFlags::OUT)?)
    }

    pub(crate) fn watch(&self, socket: impl AsFd, token: u64, read: bool, write: bool) -> io::Result<()> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, read);
        flags.set(EventFlags::OUT, write);
        Ok(epoll::modify(&self.set, socket, epoll::EventData::new_u64(token), flags)?)
    }

    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.set, socket)?)
    }

    /// Appends to `ready` what is ready now, without waiting.
    pub(crate) fn collect(&mut self, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.set, spare_capacity(&mut self.events), Some(&now)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let hung_up = EventFlags::ERR | EventFlags::HUP;
        ready.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64(),
                // A socket that failed is read, which tells why.
                readable: flags.intersects(EventFlags::IN | hung_up),
                writable: flags.contains(EventFlags::OUT),
                hung_up: flags.intersects(hung_up),
            }
        }));
        Ok(())
    }

    /// Completes once something is ready, or may be.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let readable = match &mut self.readable {
            Some(readable) => readable,
            None => {
                let own = self.own.take().or_else(|| self.set.try_clone().ok());
                self.readable.insert(own.map_or_else(|| Box::pin(time::sleep(LOOK_AGAIN)) as Readable, arm))
            }
        };
        match readable.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.readable = None;
                self.own = self.set.try_clone().ok();
                Poll::Ready(())
            }
        }
    }
}

/// The stream closes its descriptor, so it gets one of its own.
fn arm(own: OwnedFd) -> Readable {
    // SAFETY: `own` is open and nobody else's.
    let mut stream = unsafe { glommio::net::TcpStream::from_raw_fd(own.into_raw_fd()) };
    assert!(stream.as_raw_fd() >= 0);
    Box::pin(async move {
        let _ = stream.read(&mut [0]).await;
    })
}
