//! A group of replicas that runs.

use std::thread;
use std::time::{Duration, Instant};

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::interrupt::{Interrupt, LOOK};
use crate::peer::broker::wait_until_listening;
use crate::peer::group_plan::{GroupPlan, NodePlan};
use crate::peer::group_view::GroupView;
use crate::store_folder;

/// Three cold JVMs at once that touch their heaps; an election.
const READY_WITHIN: Duration = Duration::from_secs(300);
const LEADER_WITHIN: Duration = Duration::from_secs(60);

/// Running replicas with their name server. Dropping it kills all and deletes the stores.
#[derive(Debug)]
pub struct Group {
    plan: GroupPlan,
    // Before the name server: what is dropped first must not log that it lost the other. `None`: killed.
    processes: Vec<Option<ChildProcess>>,
    _name_server: ChildProcess,
    view: GroupView,
    interrupt: Interrupt,
}

impl Group {
    /// Starts all on empty stores, and waits until all are registered and a client's send is acknowledged.
    /// # Errors
    /// One of them does not start, ends, or takes too long.
    pub fn start(plan: GroupPlan, interrupt: &Interrupt) -> Result<Self, CompareError> {
        // Left over from a run that was killed.
        plan.nodes.iter().try_for_each(empty)?;
        let mut name_server = plan.name_server.start(interrupt)?;
        wait_until_listening(&mut name_server, &plan.name_server_address, interrupt)?;
        let processes = plan.nodes.iter().map(|_| None).collect();
        let view = GroupView::new(&plan.name_server_address)?;
        let mut group = Self { plan, processes, _name_server: name_server, view, interrupt: interrupt.clone() };
        for number in 0..group.plan.nodes.len() {
            group.start_node(number)?;
        }
        group.wait_until_ready()?;
        Ok(group)
    }

    /// How it was started.
    #[must_use]
    pub fn plan(&self) -> &GroupPlan {
        &self.plan
    }

    /// As its clients see it.
    #[must_use]
    pub fn view(&self) -> &GroupView {
        &self.view
    }

    /// Processes of the replicas that run, by number.
    #[must_use]
    pub fn pids(&self) -> Vec<(usize, u32)> {
        let running = self.processes.iter().enumerate();
        running.filter_map(|(number, process)| Some((number, process.as_ref()?.pid()))).collect()
    }

    /// Space on the disk that all stores take, bytes.
    /// # Errors
    /// One cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, CompareError> {
        self.plan.nodes.iter().map(|node| store_folder::disk_bytes(&node.store)).sum()
    }

    /// # Errors
    /// One that was not killed has ended.
    pub fn expect_running(&mut self) -> Result<(), CompareError> {
        self.processes.iter_mut().flatten().try_for_each(ChildProcess::expect_running)
    }

    /// Number of the one that leads. Waits if there is none at the moment.
    /// # Errors
    /// None comes.
    pub fn leader(&self) -> Result<usize, CompareError> {
        let began = Instant::now();
        loop {
            let leader = self.view.leader();
            let number = leader.and_then(|leader| self.plan.nodes.iter().position(|node| node.address == leader));
            if let Some(number) = number.filter(|number| self.processes[*number].is_some()) {
                return Ok(number);
            }
            self.interrupt.check()?;
            if began.elapsed() > LEADER_WITHIN {
                return Err(self.late("an election", LEADER_WITHIN));
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until one leads, or for so long.
    /// # Errors
    /// Somebody wants the end of everything.
    pub fn await_leader(&self, number: usize, limit: Duration) -> Result<(), CompareError> {
        let (began, address) = (Instant::now(), &self.plan.nodes[number].address);
        while self.view.leader().as_ref() != Some(address) && began.elapsed() < limit {
            self.interrupt.sleep(10 * LOOK)?;
        }
        Ok(())
    }

    /// SIGKILL to one, and its end.
    /// # Errors
    /// It cannot be waited for.
    pub fn kill_nine(&mut self, number: usize) -> Result<(), CompareError> {
        self.processes[number].take().map_or(Ok(()), |mut process| process.kill_nine())
    }

    /// Takes one's disk away: all it has stored, in shared memory too.
    /// # Errors
    /// Something cannot be deleted.
    /// # Panics
    /// While it runs.
    pub fn lose_disk(&mut self, number: usize) -> Result<(), CompareError> {
        assert!(self.processes[number].is_none(), "a store is not taken away from under a process");
        empty(&self.plan.nodes[number])
    }

    /// Starts one that does not run.
    /// # Errors
    /// It cannot be started.
    pub fn start_node(&mut self, number: usize) -> Result<(), CompareError> {
        let node = &self.plan.nodes[number];
        if let Some(rings) = &node.rings {
            std::fs::create_dir_all(rings).map_err(CompareError::file("create", rings))?;
        }
        self.processes[number] = Some(node.launch.start(&self.interrupt)?);
        Ok(())
    }

    /// Kills all, and deletes the stores: nothing is left that a polite end would be for.
    /// # Errors
    /// A store cannot be deleted.
    pub fn finish(mut self) -> Result<(), CompareError> {
        self.end()
    }

    /// [`CompareError::Late`] about one that runs.
    pub(crate) fn late(&self, what: &'static str, limit: Duration) -> CompareError {
        let process = self.processes.iter().flatten().next();
        process.map_or(CompareError::NoReplica { what, limit }, |process| process.late(what, limit))
    }

    fn wait_until_ready(&mut self) -> Result<(), CompareError> {
        let began = Instant::now();
        let all = self.plan.nodes.len();
        // A name server that is a cold JVM is not asked for more than it has to answer.
        while self.view.replicas().len() < all || !self.view.accepts_sends() {
            self.expect_running()?;
            self.interrupt.check()?;
            if began.elapsed() > READY_WITHIN {
                return Err(self.late("getting ready", READY_WITHIN));
            }
            thread::sleep(10 * LOOK);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), CompareError> {
        (0..self.processes.len()).try_for_each(|number| self.kill_nine(number))?;
        self.plan.nodes.iter().try_for_each(empty)
    }
}

impl Drop for Group {
    /// After a failure or an interrupt too, no store of many gigabytes stays behind.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn empty(node: &NodePlan) -> Result<(), CompareError> {
    if let Some(rings) = &node.rings {
        store_folder::remove(rings)?;
    }
    store_folder::remove(&node.store)
}
