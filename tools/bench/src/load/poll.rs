//! Waking up on time. An epoll's own limit is in milliseconds; a timer in its set is as precise as the machine.

use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::clock::SECOND_NS;

/// Events taken at once. What is left is taken the next time.
const EVENTS_MAX: usize = 256;

/// The number of the timer among an epoll's sources.
const TIMER: u64 = u64::MAX;

/// An epoll set with a timer in it.
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed_ns: u64,
    pub(crate) events: Vec<Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        // Edge-triggered: an expiry is reported once and need not be read.
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, timer, armed_ns: 0, events: Vec::with_capacity(EVENTS_MAX) })
    }

    pub(crate) fn add(&self, source: impl std::os::fd::AsFd, number: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(number), flags)?)
    }

    pub(crate) fn modify(&self, source: impl std::os::fd::AsFd, number: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, EventData::new_u64(number), flags)?)
    }

    /// Waits for an event, at most until `until_ns` by the monotonic clock, and fills `events`.
    pub(crate) fn wait(&mut self, now_ns: u64, until_ns: u64) -> io::Result<()> {
        self.events.clear();
        let poll_only = Timespec { tv_sec: 0, tv_nsec: 0 };
        let limit = if until_ns <= now_ns {
            Some(&poll_only)
        } else {
            self.arm(now_ns, until_ns)?;
            None
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), limit) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.events.retain(|event| event.data.u64() != TIMER);
        Ok(())
    }

    /// Sets the timer, unless it stands right already: waking up early does no harm, so an earlier time stays.
    fn arm(&mut self, now_ns: u64, until_ns: u64) -> io::Result<()> {
        if self.armed_ns > now_ns && self.armed_ns <= until_ns {
            return Ok(());
        }
        let value = Timespec { tv_sec: (until_ns / SECOND_NS) as i64, tv_nsec: (until_ns % SECOND_NS) as i64 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        self.armed_ns = until_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now_ns;

    #[test]
    fn it_wakes_up_when_the_time_is_there_and_not_before() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..50 {
            let until = now_ns() + 300_000;
            while now_ns() < until {
                poll.wait(now_ns(), until).unwrap();
            }
        }
        let (now, far) = (now_ns(), now_ns() + 3_600 * SECOND_NS);
        let (reader, mut writer) = std::os::unix::net::UnixStream::pair().unwrap();
        poll.add(&reader, 7, EventFlags::IN).unwrap();
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        poll.wait(now, far).unwrap();
        let numbers: Vec<_> = poll.events.iter().map(|event| event.data.u64()).collect();
        assert_eq!(numbers, [7]);
    }

    #[test]
    fn a_time_that_is_over_does_not_wait() {
        let mut poll = Poll::new().unwrap();
        let now = now_ns();
        poll.wait(now, now).unwrap();
        poll.wait(now, 0).unwrap();
        assert!(poll.events.is_empty());
    }
}
