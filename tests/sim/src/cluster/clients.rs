//! The clients of a run: how many of each kind there are, where they stand, and what those of a broker group keep account of.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocol::frame::HeaderEncoding;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::file::sim::salted;

use super::appointments::Appointments;
use super::client::{Client, ClientSeat};
use super::consumer::Consumer;
use super::locker::Locker;
use super::network::HostId;
use super::operator::Operator;
use super::parcels::Parcels;
use super::payer::Payer;
use super::payments::Payments;
use super::planner::Planner;
use super::popper::Popper;
use super::producer::{Producer, ProducerPlan};
use super::run::Run;
use super::run_plan::{CHECKS_WITHOUT_END, RunPlan, client_host};
use crate::machine::Machine;

/// Clients that draw apart from all others: a run without them goes as it went before there were any.
struct Kind {
    /// Others keep theirs.
    first_host: u16,
    in_each_group: u16,
    salt: &'static str,
}

const PAYERS: Kind = Kind { first_host: 2000, in_each_group: 1, salt: "payer of a run" };
const PLANNERS: Kind = Kind { first_host: 3000, in_each_group: 1, salt: "planner of a run" };
const LOCKERS: Kind = Kind { first_host: 4000, in_each_group: 3, salt: "locker of a run" };
const POPPERS: Kind = Kind { first_host: 5000, in_each_group: POP_GROUPS.len() as u16, salt: "popper of a run" };
/// Which group each of those pops for.
const POP_GROUPS: [usize; 5] = [0, 1, 2, 0, 2];

/// What clients of one broker group sent, and know of it.
pub(super) struct Ledgers {
    pub(super) payments: Rc<RefCell<Payments>>,
    pub(super) appointments: Rc<RefCell<Appointments>>,
    pub(super) parcels: Rc<RefCell<Parcels>>,
}

impl Ledgers {
    /// Empty ones.
    pub(super) fn new(plan: &RunPlan) -> Self {
        let (mut payments, mut parcels) = (Payments::default(), Parcels::default());
        // A log that loses its beginning gives up first what it would lose.
        payments.may_be_given_up = plan.checks_max < CHECKS_WITHOUT_END || plan.may_lose_old_records();
        parcels.may_lose_old = plan.retains();
        let (payments, parcels) = (Rc::new(RefCell::new(payments)), Rc::new(RefCell::new(parcels)));
        Self { payments, appointments: Rc::default(), parcels }
    }
}

impl<M: Machine + Clone> Run<M> {
    /// Sets all of them going.
    pub(super) fn spawn_clients(&mut self) {
        for group in 0..self.plan.groups {
            for number in 0..self.plan.producers {
                let producer = self.producer(group, number);
                self.spawn(producer.run());
            }
            if self.plan.pays {
                self.spawn(self.payer(group).run());
            }
            if self.plan.plans {
                self.spawn(self.planner(group).run());
            }
            if self.plan.locks {
                (0..LOCKERS.in_each_group).for_each(|number| self.spawn(self.locker(group, number).run()));
            }
            if self.plan.pops {
                (0..POPPERS.in_each_group).for_each(|number| self.spawn(self.popper(group, number).run()));
            }
            for number in 0..self.plan.consumers {
                let consumer = self.consumer(group, number);
                self.spawn(consumer.run());
            }
        }
        if self.plan.founders < self.plan.replicas {
            let operator = self.operator();
            self.spawn(operator.run());
        }
    }

    fn spawn(&mut self, client: impl Future<Output = ()> + 'static) {
        let task = self.cluster.spawn_client(client);
        self.clients.push(task);
    }

    fn producer(&mut self, group: u16, number: u16) -> Producer {
        let rng = &mut self.rng;
        let plan = ProducerPlan {
            window: rng.random_range(1..=8),
            pause: Duration::from_millis(rng.random_range(5..80)),
            timeout: Duration::from_millis(rng.random_range(300..3000)),
        };
        Producer { seat: self.next_seat(group, number), plan }
    }

    /// One that reads for a consumer group, by its number among those of its broker group.
    pub(super) fn consumer(&mut self, group: u16, number: u16) -> Consumer {
        Consumer::new(self.next_seat(group, self.plan.producers + number), number)
    }

    /// The one of a broker group.
    pub(super) fn payer(&self, group: u16) -> Payer {
        let payments = self.ledgers(group).payments.clone();
        Payer::new(self.own_seat(&PAYERS, group, 0, draw_encoding), payments, self.plan.may_lose_old_records())
    }

    /// The one of a broker group.
    pub(super) fn planner(&self, group: u16) -> Planner {
        let appointments = self.ledgers(group).appointments.clone();
        Planner::new(self.own_seat(&PLANNERS, group, 0, draw_encoding), appointments, self.plan.may_lose_old_records())
    }

    fn locker(&self, group: u16, number: u16) -> Locker {
        Locker::new(self.own_seat(&LOCKERS, group, number, draw_encoding), number)
    }

    /// One of a broker group.
    pub(super) fn popper(&self, group: u16, number: u16) -> Popper {
        // POP's codes do not fit the other one.
        let seat = self.own_seat(&POPPERS, group, number, |_| HeaderEncoding::Json);
        Popper::new(seat, POP_GROUPS[usize::from(number)], self.ledgers(group).parcels.clone())
    }

    fn operator(&mut self) -> Operator {
        let host = client_host(self.plan.groups * (self.plan.producers + self.plan.consumers));
        let rng = StdRng::from_rng(&mut self.rng);
        let seat = self.seat(host, 0, HeaderEncoding::Json, rng);
        Operator { seat, wishes: self.plan.wishes.clone(), done: self.member_changes.clone() }
    }

    /// Of a producer or consumer: they draw one after the other.
    fn next_seat(&mut self, group: u16, number: u16) -> ClientSeat {
        let encoding = draw_encoding(&mut self.rng);
        let rng = StdRng::from_rng(&mut self.rng);
        let host = client_host(group * (self.plan.producers + self.plan.consumers) + number);
        self.seat(host, group, encoding, rng)
    }

    fn own_seat(
        &self,
        kind: &Kind,
        group: u16,
        number: u16,
        encoding: impl FnOnce(&mut StdRng) -> HeaderEncoding,
    ) -> ClientSeat {
        let of_all = group * kind.in_each_group + number;
        let mut rng = StdRng::seed_from_u64(salted(self.plan.seed.wrapping_add(u64::from(of_all)), kind.salt));
        let encoding = encoding(&mut rng);
        self.seat(HostId(kind.first_host + of_all), group, encoding, rng)
    }

    fn seat(&self, host: HostId, group: u16, encoding: HeaderEncoding, rng: StdRng) -> ClientSeat {
        let (world, route) = (self.cluster.world().clone(), self.plan.route(group));
        ClientSeat { world, host, group, route, encoding, rng }
    }

    /// Those of a broker group.
    pub(super) fn ledgers(&self, group: u16) -> &Ledgers {
        &self.ledgers[usize::from(group)]
    }
}

fn draw_encoding(rng: &mut StdRng) -> HeaderEncoding {
    if rng.random_bool(0.5) { HeaderEncoding::Json } else { HeaderEncoding::RocketMq }
}
