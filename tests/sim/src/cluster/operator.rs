//! An operator: adds nodes to a group of replicas and removes them, one at a time, whatever else goes on.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use protocol::body::MemberChange;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use rand::RngExt;

use super::client::{ANSWER_TIMEOUT, ClientSeat};
use super::place::REPLICA_PORT;
use super::process::address;
use crate::Violation;

/// What an operator wants of a group; machines by their numbers.
#[derive(Copy, Clone, Debug)]
pub enum Wish {
    /// A machine is a voter, in the place of another or beside all others.
    Add {
        /// Which.
        node: usize,
        /// Which other.
        replaces: Option<usize>,
    },
    /// A machine is no member.
    Remove {
        /// Which.
        node: usize,
    },
}

/// See the module's text.
pub struct Operator {
    /// Its route is all nodes that there are, members or not.
    pub seat: ClientSeat,
    /// What it wants, one after the other, each until it is so; else it draws what it wants, all the time.
    pub wishes: Option<Vec<Wish>>,
    /// Changes that were carried out, counted here.
    pub done: Rc<Cell<u64>>,
}

impl Operator {
    /// Changes the members until it is told to stop.
    pub async fn run(mut self) {
        if let Some(wishes) = self.wishes.take() {
            for wish in wishes {
                self.insist(wish, Duration::MAX).await;
            }
            return;
        }
        while !self.seat.is_stopping() {
            self.seat.pause(50..1_200).await;
            let wish = self.draw();
            // Sometimes it is left half way, and something else wanted.
            let patience = Duration::from_millis(self.seat.rng.random_range(200..6_000));
            self.insist(wish, patience).await;
        }
    }

    /// Asks again and again until it is so, or for so long.
    async fn insist(&mut self, wish: Wish, patience: Duration) {
        let change = self.request(wish);
        let until = self.seat.now().saturating_add(patience);
        while self.seat.now() < until && !self.seat.is_stopping() {
            let asked = self.ask(&change).await;
            match self.seat.world.accept(asked) {
                Some(Some(true)) => return,
                Some(_) => {}
                // Something was wrong, which ends the run.
                None => return self.seat.world.is_stopping.set(true),
            }
            self.seat.pause(20..200).await;
        }
    }

    fn draw(&mut self) -> Wish {
        let node = self.seat.draw_number();
        if self.seat.rng.random_bool(0.4) {
            return Wish::Remove { node };
        }
        let replaces = self.seat.rng.random_bool(0.3).then(|| self.seat.draw_number());
        Wish::Add { node, replaces }
    }

    fn request(&self, wish: Wish) -> RemotingCommand {
        let (Wish::Add { node: number, .. } | Wish::Remove { node: number }) = wish;
        let request = RemotingCommand::request(RequestCode::CHANGE_GROUP_MEMBERS.0, 0);
        let request = request.with_field("node", format!("n{number}").as_str());
        let Wish::Add { replaces, .. } = wish else { return request.with_field("change", "remove") };
        let listens = address(self.seat.route[number], REPLICA_PORT).to_string();
        let request = request.with_field("change", "add").with_field("address", listens.as_str());
        match replaces {
            Some(other) => request.with_field("replaces", format!("n{other}").as_str()),
            None => request,
        }
    }

    /// Whether the change is over: carried out, or refused for good.
    async fn ask(&mut self, change: &RemotingCommand) -> Result<Option<bool>, Violation> {
        let number = self.seat.draw_number();
        let Some(mut rpc) = self.seat.connect(number).await else { return Ok(None) };
        let Some(answer) = rpc.ask(change.clone(), ANSWER_TIMEOUT).await? else { return Ok(None) };
        if answer.code == ResponseCode::INVALID_PARAMETER.0 {
            return Ok(Some(true));
        }
        if answer.code != ResponseCode::SUCCESS.0 {
            return Ok(None);
        }
        let far = MemberChange::decode(&answer.body).map_err(|error| Violation(format!("{error}: {answer:?}")))?;
        self.done.set(self.done.get() + u64::from(far.is_done));
        Ok(Some(far.is_done))
    }
}
