//! What a shard gives to those who lack much of its log, as leader or as master: within one budget, and with one checkpoint
//! for all of them.

use std::cell::RefCell;
use std::time::Duration;

use super::catch_up_budget::CatchUpBudget;
use super::offer::Offer;
use crate::env::Env;
use crate::shard::Shard;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Giving {
    pub(super) budget: RefCell<CatchUpBudget>,
    /// The checkpoint that is being given.
    pub(super) offer: RefCell<Option<Offer>>,
}

impl Giving {
    /// `bytes_per_second` on a machine with nothing else to do.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { budget: RefCell::new(CatchUpBudget::new(bytes_per_second)), offer: RefCell::default() }
    }
}

impl<E: Env> Shard<E> {
    /// Begins an answer to a node that lacks something: how many bytes it may have. `None`: not now.
    pub(crate) fn begin_answer(&self, node: u64, bytes: usize) -> Option<usize> {
        self.note_giving_load();
        self.giving.budget.borrow_mut().begin(node, bytes)
    }

    /// Waits until so many bytes may be sent.
    pub(crate) async fn pay_for_answer(&self, bytes: usize) {
        let wait = self.giving.budget.borrow_mut().spend(self.env.instant(), bytes);
        if wait > Duration::ZERO {
            self.env.sleep(wait).await;
        }
    }

    /// The answer to a node is sent, or there is none.
    pub(crate) fn end_answer(&self, node: u64) {
        self.giving.budget.borrow_mut().end(node);
    }

    /// By the clock.
    pub(crate) fn tend_giving(&self) {
        self.note_giving_load();
        self.tend_offer();
    }

    fn note_giving_load(&self) {
        self.giving.budget.borrow_mut().note_load(self.env.instant(), self.metrics.swept.get());
    }
}
