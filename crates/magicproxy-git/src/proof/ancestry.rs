//! Commits by their ids, their parents, and which updates lead to them.

use std::collections::{HashMap, HashSet};

use crate::object_id::ObjectId;

use super::Budget;

/// What following one parent costs, in bytes of work.
const STEP: usize = 32;

/// The part of a history that was read. Each commit has a mark of bits: one for each update from
/// whose new commit a way along parents leads to it.
#[derive(Debug)]
pub(super) struct Ancestry {
    nodes: Vec<Node>,
    places: HashMap<ObjectId, usize>,
    shallow: HashSet<ObjectId>,
    /// Nodes with bits that their parents have not got yet, each once.
    waiting: Vec<usize>,
    /// The parents of all nodes.
    edges: usize,
}

/// One commit, read or named by one that was read.
#[derive(Debug)]
struct Node {
    id: ObjectId,
    /// Places of the parents; `None` until the commit was read.
    parents: Option<Box<[usize]>>,
    mark: u64,
    /// Bits of the mark that the parents have not got yet.
    fresh: u64,
}

impl Ancestry {
    /// Returns an empty history, in which no way leads through the commits that are `shallow`.
    pub(super) fn new(shallow: &[ObjectId]) -> Self {
        Self {
            nodes: Vec::new(),
            places: HashMap::new(),
            shallow: shallow.iter().copied().collect(),
            waiting: Vec::new(),
            edges: 0,
        }
    }

    /// Marks a commit: this update leads to it.
    pub(super) fn reach(&mut self, id: ObjectId, bit: u64) {
        let place = self.place(id);
        self.mark(place, bit);
    }

    /// Adds a commit that was read. A commit that comes twice is the same both times.
    pub(super) fn insert(&mut self, id: ObjectId, parents: &[ObjectId]) {
        let place = self.place(id);
        let parents = if self.shallow.contains(&id) { &[] } else { parents };
        let parents: Box<[usize]> = parents.iter().map(|parent| self.place(*parent)).collect();
        let Some(node) = self.nodes.get_mut(place).filter(|node| node.parents.is_none()) else {
            return;
        };
        self.edges += parents.len();
        node.parents = Some(parents);
        if node.fresh != 0 {
            self.waiting.push(place);
        }
    }

    /// Passes marks on to parents, as far as the budget goes.
    pub(super) fn advance(&mut self, budget: &mut Budget) {
        while !budget.is_used_up() {
            let Some(place) = self.waiting.pop() else { return };
            let Some(node) = self.nodes.get_mut(place) else { continue };
            let bits = std::mem::take(&mut node.fresh);
            // Taken out while its parents are marked: no commit is its own parent.
            let Some(parents) = node.parents.take() else { continue };
            budget.take(STEP * (1 + parents.len()));
            parents.iter().for_each(|parent| self.mark(*parent, bits));
            if let Some(node) = self.nodes.get_mut(place) {
                node.parents = Some(parents);
            }
        }
    }

    /// True if all marks were passed on.
    pub(super) fn is_at_rest(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True if this update leads to this commit.
    pub(super) fn is_reached(&self, id: &ObjectId, bit: u64) -> bool {
        let node = self.places.get(id).and_then(|place| self.nodes.get(*place));
        node.is_some_and(|node| node.mark & bit != 0)
    }

    /// Returns the first commits, in the order in which they were named, to which this update leads,
    /// and that were not read. Those that are shallow are left out.
    pub(super) fn frontier(&self, bit: u64, longest: usize) -> Vec<ObjectId> {
        let unread = self.nodes.iter().filter(|node| {
            node.parents.is_none() && node.mark & bit != 0 && !self.shallow.contains(&node.id)
        });
        unread.map(|node| node.id).take(longest).collect()
    }

    /// Returns the bytes of memory that are held, about.
    pub(super) fn held(&self) -> usize {
        let entry = size_of::<(ObjectId, usize)>() + 1;
        self.nodes.capacity() * size_of::<Node>()
            + self.places.capacity() * entry * 8 / 7
            + self.shallow.capacity() * (size_of::<ObjectId>() + 1) * 8 / 7
            + (self.waiting.capacity() + self.edges) * size_of::<usize>()
    }

    fn place(&mut self, id: ObjectId) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            self.nodes.push(Node { id, parents: None, mark: 0, fresh: 0 });
            self.nodes.len() - 1
        })
    }

    fn mark(&mut self, place: usize, bits: u64) {
        let Some(node) = self.nodes.get_mut(place) else { return };
        let bits = bits & !node.mark;
        let waits = node.fresh != 0;
        node.mark |= bits;
        node.fresh |= bits;
        if bits != 0 && !waits && node.parents.is_some() {
            self.waiting.push(place);
        }
    }
}
