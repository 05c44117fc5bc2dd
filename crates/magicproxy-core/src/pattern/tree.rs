//! Many simple patterns at once: a tree of their texts, in which a common beginning stands once.
//!
//! From the root on, a literal leads to at most one node, found by its first byte; a class leads on
//! from its end, which is a single place. So a path reaches each node in at most one way, and the
//! number of classes that a path may have to try bounds the work: [`Tree::build`] limits this
//! number. `rules.md` section 4.

mod build;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::template::{Bytes, Template, Times};

/// The root's index among the nodes.
const ROOT: u32 = 0;

/// Simple patterns in a single tree.
///
/// INVARIANT: all ranges lie within their lists; a node's children begin with different bytes, and
/// are in their order; children and edges lead to nodes further down the list, so that there is no
/// circle.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Box<[Node]>,
    /// The first byte of each node's text.
    firsts: Box<[u8]>,
    edges: Box<[Edge]>,
    classes: Box<[Bytes]>,
    texts: Box<[u8]>,
    /// Followers in the order of their nodes: few lists have any.
    followers: Box<[Follower]>,
    /// The most classes that a path may have to try.
    visits: usize,
}

/// A place in the tree, and the literal that leads from above to the node.
#[derive(Debug)]
struct Node {
    text: Range<u32>,
    children: Range<u32>,
    edges: Range<u32>,
    /// The first of the patterns that end here.
    ends: Option<u32>,
}

/// A pattern that ends at the same node as a pattern before.
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
    /// Builds a tree of these patterns with their numbers. Returns `None` if a path may have to try
    /// more than `max_visits` classes.
    pub(crate) fn build<'t>(
        templates: impl IntoIterator<Item = (u32, &'t Template)>,
        max_visits: usize,
    ) -> Option<Self> {
        build::build(templates, max_visits)
    }

    /// The most classes that a path may have to try: each try looks at a part of the path.
    pub(crate) fn visits(&self) -> usize {
        self.visits
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Calls `found` with the number of each pattern that matches the whole of `path`, in no order,
    /// and for some patterns perhaps more than once. Allocates nothing.
    pub(crate) fn each_match(&self, path: &str, mut found: impl FnMut(usize)) {
        self.visit(ROOT, path.as_bytes(), &mut found);
    }

    /// The memory of the tree, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let parts =
            size_of_val(&*self.nodes) + size_of_val(&*self.edges) + size_of_val(&*self.classes);
        size_of::<Self>()
            + parts
            + self.firsts.len()
            + self.texts.len()
            + size_of_val(&*self.followers)
    }

    /// Looks for patterns below a node whose text `rest` may begin with. Recursive: a call for each
    /// class on the way.
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

    /// Calls `found` with the other patterns that end at a node.
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

/// Returns a part of a list; the empty slice if the range is outside of the list.
fn part<'l, T>(list: &'l [T], range: &Range<u32>) -> &'l [T] {
    list.get(range.start as usize..range.end as usize).unwrap_or_default()
}
