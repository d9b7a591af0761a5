//! How long a node that led stays for clients that have not heard of it. The clock is the replica's, in ticks.

/// It stays no longer than this: 31 s. Clients ask for routes every 30 s by default.
pub(crate) const LINGER_TICKS: u64 = 620;
/// It stays at least so long: 1 s. Who asked for a route a moment ago has its answer by then.
const LINGER_TICKS_MIN: u64 = 20;
/// When no client was handed on for so long, all are taken to know who leads: 2 s.
const QUIET_TICKS: u64 = 40;

/// What decides whether a node has to stay.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Linger {
    /// When it last led.
    pub(crate) led: u64,
    /// When a client's request was last handed on, or waited for its answer.
    pub(crate) forwarded: Option<u64>,
    /// Clients that are connected.
    pub(crate) clients: u64,
}

impl Linger {
    /// Whether nobody needs it any more.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        let since_lead = now.saturating_sub(self.led);
        if since_lead < LINGER_TICKS_MIN {
            return false;
        }
        let quiet_since = self.forwarded.map_or(self.led, |forwarded| forwarded.max(self.led));
        self.clients == 0 || since_lead >= LINGER_TICKS || now.saturating_sub(quiet_since) >= QUIET_TICKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it stays that led last at 100.
    fn stays(linger: impl Fn(u64) -> Linger) -> u64 {
        (100..).find(|now| linger(*now).is_over(*now)).map_or(0, |now| now - 100)
    }

    #[test]
    fn without_clients_it_stays_for_a_second() {
        assert_eq!(stays(|_| Linger { led: 100, forwarded: None, clients: 0 }), LINGER_TICKS_MIN);
    }

    #[test]
    fn clients_that_send_nothing_to_it_any_more_keep_it_for_two() {
        assert_eq!(stays(|_| Linger { led: 100, forwarded: None, clients: 5 }), QUIET_TICKS);
        assert_eq!(stays(|_| Linger { led: 100, forwarded: Some(90), clients: 5 }), QUIET_TICKS);
    }

    #[test]
    fn each_request_that_is_handed_on_keeps_it_longer() {
        let until = |last: u64| stays(move |now| Linger { led: 100, forwarded: Some(now.min(last)), clients: 5 });
        assert_eq!(until(300), 200 + QUIET_TICKS);
    }

    #[test]
    fn a_client_that_never_hears_of_the_new_leader_does_not_keep_it_for_ever() {
        assert_eq!(stays(|now| Linger { led: 100, forwarded: Some(now), clients: 5 }), LINGER_TICKS);
    }
}
