//! The way from other threads into a shard: a queue and an eventfd that the shard's sweep watches.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};

/// What travels: the service's messages, and the end.
pub(crate) enum Letter<M> {
    Service(M),
    Stop,
}

/// The sending side; any thread may hold one. Messages are few (control, never data), so the queue is not bounded.
pub struct MailboxSender<M> {
    letters: Sender<Letter<M>>,
    wake: Arc<OwnedFd>,
}

impl<M> Clone for MailboxSender<M> {
    fn clone(&self) -> Self {
        Self { letters: self.letters.clone(), wake: self.wake.clone() }
    }
}

impl<M> MailboxSender<M> {
    /// Sends a message. False once the shard has ended.
    pub fn send(&self, message: M) -> bool {
        self.post(Letter::Service(message))
    }

    /// Asks the shard to answer what is due and end.
    pub fn stop(&self) -> bool {
        self.post(Letter::Stop)
    }

    fn post(&self, letter: Letter<M>) -> bool {
        let sent = self.letters.send(letter).is_ok();
        // A full counter means that the shard is already due to wake up.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        sent
    }
}

/// The receiving side, for [`serve`](crate::serve).
pub struct Mailbox<M> {
    pub(crate) letters: Receiver<Letter<M>>,
    pub(crate) wake: Arc<OwnedFd>,
}

/// A mailbox and a way to send to it.
/// # Errors
/// The process is out of descriptors.
pub fn mailbox<M>() -> std::io::Result<(MailboxSender<M>, Mailbox<M>)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, letters) = channel();
    Ok((MailboxSender { letters: sender, wake: wake.clone() }, Mailbox { letters, wake }))
}
