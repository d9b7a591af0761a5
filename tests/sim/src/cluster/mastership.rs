//! What is done to a master and its slaves from outside: their control threads look for the master, and an operator promotes a
//! slave.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use broker::master_slave::MasterNews;
use broker::shard_message::ShardMessage;

use super::action::Action;
use super::cluster::Cluster;
use super::master_searcher;
use super::network::HostId;
use super::pair_watch::PairWatch;
use crate::machine::Machine;

/// A broker looks for its master this often, or as often as it wants to if that is less.
const SEARCH: Duration = Duration::from_millis(500);
/// First host of those that look for masters.
const SEARCHER_HOSTS: u16 = 5000;

impl<M: Machine> Cluster<M> {
    /// The nodes that were added are a master and its slaves.
    pub fn watch_pair(&mut self, watch: Rc<RefCell<PairWatch>>) {
        self.pair = Some(watch.clone());
        self.require_always(Box::new(move |nodes| watch.borrow_mut().look(nodes)));
        for number in 0..self.members.len() {
            self.do_at(self.clock.now() + SEARCH, Action::Search(number));
        }
    }

    /// Has a node's control thread look for its master, if the node wants to know.
    pub(super) fn search(&mut self, now: Duration, number: usize) {
        let node = &self.members[number].node;
        let search = node.search().filter(|_| !node.is_paused());
        let pause = search.as_ref().map_or(SEARCH, |search| search.pause.max(SEARCH));
        if let Some(search) = search {
            let (host, others, life) = (HostId(SEARCHER_HOSTS + node.host().0), node.others(), node.life());
            let (world, news, asks_nobody) = (self.world.clone(), self.news.clone(), node.asks_nobody());
            self.spawn_client(async move {
                if asks_nobody && !search.is_slave {
                    news.borrow_mut().push((number, life, MasterNews::NoOther));
                } else if let Some(found) = master_searcher::look(world, host, others, search).await {
                    news.borrow_mut().push((number, life, found));
                }
            });
        }
        self.do_at(now + pause, Action::Search(number));
    }

    /// An operator makes a slave the master, unless he has not heard yet what came of the last time.
    pub(super) fn promote(&mut self, number: usize, is_forced: bool) {
        let (Some(pair), done) = (&self.pair, Rc::new(Cell::new(false))) else { return };
        let node = &mut self.members[number].node;
        let Some(process) = node.process().filter(|_| !node.is_paused()) else { return };
        if !pair.borrow_mut().begin_promotion(number, done.clone()) {
            return;
        }
        let shard = process.shard().clone();
        process.spawn(async move {
            // What speaks against it is for the operator to hear.
            let _ = shard.promote_slave(is_forced).await;
            done.set(true);
        });
        node.wake();
    }

    /// Tells nodes what searches have found; whether there was something.
    pub(super) fn bring_news(&mut self) -> bool {
        let (later, now): (Vec<_>, Vec<_>) =
            self.news.take().into_iter().partition(|(number, ..)| self.members[*number].node.is_paused());
        self.news.replace(later);
        let happened = !now.is_empty();
        for (number, life, news) in now {
            let node = &mut self.members[number].node;
            if let Some(process) = node.process().filter(|_| node.life() == life) {
                process.shard().receive(ShardMessage::Master(news));
                node.wake();
            }
        }
        happened
    }
}
