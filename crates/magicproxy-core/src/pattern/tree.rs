//! Many simple patterns at once: a tree of their texts, in which what they begin with in common stands once.
//!
//! From the root on, a literal leads to at most one node, found by its first byte; a class leads on from wherever it ends, which
//! is one place. So a path reaches each node in one way at most, and the sum of the classes that it may have to try on its way
//! bounds the work: that sum is what [`Tree::build`] limits. `rules.md` section 4.

mod build;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::template::{Bytes, Template, Times};

/// The root's place among the nodes.
const ROOT: u32 = 0;

/// Simple patterns in one tree.
///
/// INVARIANT: all ranges lie within what they are ranges of; a node's children begin with different bytes, and are in their
/// order; both lead to nodes further down the list, so that there is no circle.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Box<[Node]>,
    /// The first byte of each node's text.
    firsts: Box<[u8]>,
    edges: Box<[Edge]>,
    classes: Box<[Bytes]>,
    texts: Box<[u8]>,
    /// In the order of their nodes: few lists have any.
    followers: Box<[Follower]>,
    /// How many classes a path may have to try at most.
    visits: usize,
}

/// A place in the tree, and the literal that leads to it from above.
#[derive(Debug)]
struct Node {
    text: Range<u32>,
    children: Range<u32>,
    edges: Range<u32>,
    /// The first of the patterns that end here.
    ends: Option<u32>,
}

/// A pattern that ends where another one does that comes before it.
#[derive(Debug)]
struct Follower {
    node: u32,
    number: u32,
}

/// A class that leads to another node.
#[derive(Debug)]
struct Edge {
    class: u32,
    times: Times,
    to: u32,
}

impl Tree {
    /// One tree of all these patterns with their numbers; `None` where a path may have to try more than `max_visits` classes.
    pub(crate) fn build<'t>(
        templates: impl IntoIterator<Item = (u32, &'t Template)>,
        max_visits: usize,
    ) -> Option<Self> {
        build::build(templates, max_visits)
    }

    /// How many classes a path may have to try at most: so often a part of it is looked at.
    pub(crate) fn visits(&self) -> usize {
        self.visits
    }

    /// How many nodes it has.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Tells the number of each pattern that matches the whole of `path`, in no order, and some perhaps more than once. Allocates
    /// nothing.
    pub(crate) fn each_match(&self, path: &str, mut found: impl FnMut(usize)) {
        self.visit(ROOT, path.as_bytes(), &mut found);
    }

    /// Memory that it takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let parts =
            size_of_val(&*self.nodes) + size_of_val(&*self.edges) + size_of_val(&*self.classes);
        size_of::<Self>()
            + parts
            + self.firsts.len()
            + self.texts.len()
            + size_of_val(&*self.followers)
    }

    /// Looks for patterns below a node, whose text `rest` may begin with. It calls itself once for each class on the way.
    fn visit(&self, mut at: u32, mut rest: &[u8], found: &mut impl FnMut(usize)) {
        while let Some(node) = self.nodes.get(at as usize) {
            let Some(behind) = rest.strip_prefix(part(&self.texts, &node.text)) else { return };
            rest = behind;
            if let Some(ends) = node.ends
                && rest.is_empty()
            {
                found(ends as usize);
                self.each_follower(at, found);
            }
            for edge in part(&self.edges, &node.edges) {
                let Some(class) = self.classes.get(edge.class as usize) else { continue };
                if let Some(behind) =
                    edge.times.taken(class, rest).and_then(|length| rest.get(length..))
                {
                    self.visit(edge.to, behind, found);
                }
            }
            let Some(child) = rest.first().and_then(|byte| self.child(node, *byte)) else { return };
            at = child;
        }
    }

    /// The other patterns that end at a node.
    fn each_follower(&self, node: u32, found: &mut impl FnMut(usize)) {
        let start = self.followers.partition_point(|follower| follower.node < node);
        let followers =
            self.followers.iter().skip(start).take_while(|follower| follower.node == node);
        followers.for_each(|follower| found(follower.number as usize));
    }

    fn child(&self, node: &Node, first: u8) -> Option<u32> {
        let number = part(&self.firsts, &node.children).iter().position(|byte| *byte == first)?;
        u32::try_from(number).ok().map(|number| node.children.start + number)
    }
}

/// A part of a list; nothing, where the list has no such part.
fn part<'l, T>(list: &'l [T], range: &Range<u32>) -> &'l [T] {
    list.get(range.start as usize..range.end as usize).unwrap_or_default()
}
