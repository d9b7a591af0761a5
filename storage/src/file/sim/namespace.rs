//! Directories of the simulated disk, and the creations, renames and removals that no directory sync has covered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rand::RngExt;
use rand::rngs::StdRng;

use super::journal::{Change, Journal};

/// Identity of a file or directory, whatever its names.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(super) struct NodeId(pub(super) u64);

/// The directory that every path starts from. It always exists.
const ROOT: NodeId = NodeId(0);

/// What a name stands for.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Entry {
    File(NodeId),
    Directory(NodeId),
}

#[derive(Default)]
struct Directory {
    seen: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
}

/// See the module's text.
pub(super) struct Namespace {
    directories: BTreeMap<NodeId, Directory>,
    pending: Journal,
    next_node: u64,
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

pub(super) fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl Namespace {
    pub(super) fn new() -> Self {
        Self { directories: BTreeMap::from([(ROOT, Directory::default())]), pending: Journal::default(), next_node: 1 }
    }

    fn new_node(&mut self) -> NodeId {
        self.next_node += 1;
        NodeId(self.next_node - 1)
    }

    fn walk(&self, parts: &[&str]) -> io::Result<NodeId> {
        parts.iter().try_fold(ROOT, |directory, part| match self.directories[&directory].seen.get(*part) {
            Some(Entry::Directory(next)) => Ok(*next),
            Some(Entry::File(_)) => Err(error(libc::ENOTDIR)),
            None => Err(error(libc::ENOENT)),
        })
    }

    /// The directory that holds the last part of `path`, and that part.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(NodeId, &'a str)> {
        let parts = parts(path);
        let (name, directories) = parts.split_last().ok_or_else(|| error(libc::EINVAL))?;
        Ok((self.walk(directories)?, name))
    }

    /// What `path` names.
    pub(super) fn find(&self, path: &str) -> io::Result<Entry> {
        if parts(path).is_empty() {
            return Ok(Entry::Directory(ROOT));
        }
        let (directory, name) = self.parent(path)?;
        self.directories[&directory].seen.get(name).copied().ok_or_else(|| error(libc::ENOENT))
    }

    pub(super) fn find_file(&self, path: &str) -> io::Result<NodeId> {
        match self.find(path)? {
            Entry::File(node) => Ok(node),
            Entry::Directory(_) => Err(error(libc::EISDIR)),
        }
    }

    pub(super) fn find_directory(&self, path: &str) -> io::Result<NodeId> {
        match self.find(path)? {
            Entry::Directory(node) => Ok(node),
            Entry::File(_) => Err(error(libc::ENOTDIR)),
        }
    }

    pub(super) fn names(&self, directory: NodeId) -> Vec<String> {
        self.directories[&directory].seen.keys().cloned().collect()
    }

    /// Every file: its path and node.
    pub(super) fn files(&self) -> Vec<(String, NodeId)> {
        self.files_below(ROOT)
    }

    /// Every file below a directory: its path from there on, and node.
    pub(super) fn files_below(&self, directory: NodeId) -> Vec<(String, NodeId)> {
        let mut files = Vec::new();
        let mut ahead = vec![(String::new(), directory)];
        while let Some((path, directory)) = ahead.pop() {
            for (name, entry) in &self.directories[&directory].seen {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match entry {
                    Entry::File(node) => files.push((path, *node)),
                    Entry::Directory(node) => ahead.push((path, *node)),
                }
            }
        }
        files.sort();
        files
    }

    /// Makes a new file in a directory that exists.
    pub(super) fn create_file(&mut self, sequence: u64, path: &str) -> io::Result<NodeId> {
        let (directory, name) = self.parent(path)?;
        if self.directories[&directory].seen.contains_key(name) {
            return Err(error(libc::EEXIST));
        }
        let node = self.new_node();
        self.add(sequence, directory, name, Entry::File(node));
        Ok(node)
    }

    /// Makes a directory and those above it.
    pub(super) fn create_directories(&mut self, sequence: u64, path: &str) -> io::Result<()> {
        let mut directory = ROOT;
        for part in parts(path) {
            directory = match self.directories[&directory].seen.get(part) {
                Some(Entry::Directory(next)) => *next,
                Some(Entry::File(_)) => return Err(error(libc::ENOTDIR)),
                None => {
                    let node = self.new_node();
                    self.directories.insert(node, Directory::default());
                    self.add(sequence, directory, part, Entry::Directory(node));
                    node
                }
            };
        }
        Ok(())
    }

    /// Makes the directories above `path`.
    pub(super) fn create_parents(&mut self, sequence: u64, path: &str) -> io::Result<()> {
        match path.rsplit_once('/') {
            Some((above, _)) => self.create_directories(sequence, above),
            None => Ok(()),
        }
    }

    fn add(&mut self, sequence: u64, directory: NodeId, name: &str, entry: Entry) {
        let added = Some((directory, name.to_owned(), entry));
        self.change(Change { sequence, directories: vec![directory], removed: Vec::new(), added });
    }

    /// Renames `from` to `to`, replacing a file there.
    pub(super) fn rename(&mut self, sequence: u64, from: &str, to: &str) -> io::Result<()> {
        let (from_directory, from_name) = self.parent(from)?;
        let (to_directory, to_name) = self.parent(to)?;
        let entry = *self.directories[&from_directory].seen.get(from_name).ok_or_else(|| error(libc::ENOENT))?;
        let replaced = self.directories[&to_directory].seen.get(to_name).copied();
        match (entry, replaced) {
            (_, Some(replaced)) if replaced == entry => return Ok(()),
            (Entry::File(_), Some(Entry::Directory(_))) => return Err(error(libc::EISDIR)),
            (Entry::Directory(_), Some(_)) => return Err(error(libc::ENOTEMPTY)),
            (_, None) | (Entry::File(_), Some(Entry::File(_))) => {}
        }
        let directories = vec![from_directory, to_directory];
        let removed = vec![(from_directory, from_name.to_owned())];
        let added = Some((to_directory, to_name.to_owned(), entry));
        self.change(Change { sequence, directories, removed, added });
        Ok(())
    }

    /// Removes a file, or a directory after all it holds. At most `steps_max` names go: a removal may be cut off.
    pub(super) fn remove(&mut self, sequence: u64, path: &str, steps_max: usize) -> io::Result<()> {
        let found = match self.parent(path) {
            Ok((directory, name)) => self.directories[&directory].seen.get(name).map(|entry| (directory, name, *entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some((directory, name, entry)) = found {
            let mut steps = Vec::new();
            self.removal_steps(directory, name, entry, &mut steps);
            for (directories, removed) in steps.into_iter().take(steps_max) {
                self.change(Change { sequence, directories, removed: vec![removed], added: None });
            }
        }
        Ok(())
    }

    /// Takes a name away for good, past every journal.
    pub(super) fn lose(&mut self, path: &str) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        let found = self.directories.get_mut(&directory).and_then(|directory| {
            directory.durable.remove(name);
            directory.seen.remove(name)
        });
        let lost = found.ok_or_else(|| error(libc::ENOENT))?;
        // An un-synced rename of it must not bring it back.
        self.pending.drop_names_of(lost);
        Ok(())
    }

    fn removal_steps(
        &self,
        directory: NodeId,
        name: &str,
        entry: Entry,
        steps: &mut Vec<(Vec<NodeId>, (NodeId, String))>,
    ) {
        let mut directories = vec![directory];
        if let Entry::Directory(node) = entry {
            for (name, entry) in &self.directories[&node].seen {
                self.removal_steps(node, name, *entry, steps);
            }
            directories.push(node);
        }
        steps.push((directories, (directory, name.to_owned())));
    }

    fn change(&mut self, change: Change) {
        self.apply(&change, |directory| &mut directory.seen);
        self.pending.push(change);
    }

    fn apply(&mut self, change: &Change, side: impl Fn(&mut Directory) -> &mut BTreeMap<String, Entry>) {
        for (directory, name) in &change.removed {
            if let Some(directory) = self.directories.get_mut(directory) {
                side(directory).remove(name);
            }
        }
        if let Some((directory, name, entry)) = &change.added
            && let Some(directory) = self.directories.get_mut(directory)
        {
            side(directory).insert(name.clone(), *entry);
        }
    }

    /// Makes the changes in `directory` before `sequence` durable, and those in other directories that come before
    /// them in a journal. At most `changes_max`: a sync may fail half way.
    pub(super) fn sync(&mut self, directory: NodeId, sequence: u64, changes_max: usize) {
        for change in self.pending.take_synced(directory, sequence, changes_max) {
            self.apply(&change, |directory| &mut directory.durable);
        }
    }

    /// Loses power: of each directory's un-synced changes the first ones survive. Returns how many were lost.
    pub(super) fn lose_power(&mut self, rng: &mut StdRng) -> u64 {
        let stop_chance = [0.0, 0.2, 0.5, 1.0][rng.random_range(0..4)];
        let mut stopped = BTreeSet::new();
        let mut lost = 0;
        for change in self.pending.take_all() {
            let blocked = change.directories.iter().any(|directory| stopped.contains(directory));
            if blocked || rng.random_bool(stop_chance) {
                stopped.extend(change.directories);
                lost += 1;
            } else {
                self.apply(&change, |directory| &mut directory.durable);
            }
        }
        for directory in self.directories.values_mut() {
            directory.seen = directory.durable.clone();
        }
        self.drop_unreachable();
        lost
    }

    fn drop_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut ahead = vec![ROOT];
        while let Some(directory) = ahead.pop() {
            for entry in self.directories[&directory].seen.values() {
                if let Entry::Directory(node) = entry {
                    reached.insert(*node);
                    ahead.push(*node);
                }
            }
        }
        self.directories.retain(|node, _| reached.contains(node));
    }
}
