//! Construction of a tree: pattern by pattern into branches, which are then laid out in a few
//! lists.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::{Edge, Follower, Node, Tree};
use crate::pattern::template::{Bytes, Piece, Template, Times};

/// A node while the tree grows.
#[derive(Debug, Default)]
struct Branch {
    text: Vec<u8>,
    /// Numbers of branches, in the order of their first bytes.
    children: Vec<usize>,
    edges: Vec<Transition>,
    /// The patterns that end here, each once, in ascending order.
    ends: Vec<u32>,
}

#[derive(Debug)]
struct Transition {
    class: u32,
    times: Times,
    to: usize,
}

#[derive(Debug)]
struct Builder {
    branches: Vec<Branch>,
    classes: Vec<Bytes>,
    numbers: HashMap<Bytes, u32>,
    max_visits: usize,
}

pub(super) fn build<'t>(
    templates: impl IntoIterator<Item = (u32, &'t Template)>,
    max_visits: usize,
) -> Option<Tree> {
    let mut builder = Builder {
        branches: vec![Branch::default()],
        classes: Vec::new(),
        numbers: HashMap::new(),
        max_visits,
    };
    for (number, template) in templates {
        for way in template.ways() {
            builder.insert(number, way)?;
        }
    }
    let visits = builder.visits(0).filter(|visits| *visits <= max_visits)?;
    builder.lay_out(visits)
}

#[expect(
    clippy::indexing_slicing,
    reason = "branches are never removed, and every number of one was given by `add`"
)]
impl Builder {
    fn insert(&mut self, number: u32, way: &[Piece]) -> Option<()> {
        let mut at = 0;
        for piece in way {
            at = match piece {
                Piece::Literal(text) => self.literal(at, text),
                Piece::Class(bytes, times) => self.class(at, *bytes, *times)?,
            };
        }
        let ends = &mut self.branches[at].ends;
        if let Err(place) = ends.binary_search(&number) {
            ends.insert(place, number);
        }
        Some(())
    }

    fn add(&mut self, branch: Branch) -> usize {
        self.branches.push(branch);
        self.branches.len() - 1
    }

    /// Returns the branch to which `text` leads from a branch, and grows the tree if needed.
    fn literal(&mut self, mut at: usize, mut text: &[u8]) -> usize {
        while let Some(first) = text.first() {
            let children = &self.branches[at].children;
            let found = children
                .binary_search_by_key(&Some(first), |child| self.branches[*child].text.first());
            match found {
                Ok(place) => {
                    let child = children[place];
                    let common = common(&self.branches[child].text, text);
                    at = if common == self.branches[child].text.len() {
                        child
                    } else {
                        self.split(at, place, common)
                    };
                    text = &text[common..];
                }
                Err(place) => {
                    let child = self.add(Branch { text: text.to_vec(), ..Branch::default() });
                    self.branches[at].children.insert(place, child);
                    return child;
                }
            }
        }
        at
    }

    /// Splits the literal of a child after `length` bytes: a new branch with the first bytes is put
    /// between.
    fn split(&mut self, at: usize, place: usize, length: usize) -> usize {
        let child = self.branches[at].children[place];
        let below = self.branches[child].text.split_off(length);
        let text = std::mem::replace(&mut self.branches[child].text, below);
        let between = self.add(Branch { text, children: vec![child], ..Branch::default() });
        self.branches[at].children[place] = between;
        between
    }

    /// Returns the branch to which a class leads from a branch; `None` if the branch has too many
    /// classes.
    fn class(&mut self, at: usize, bytes: Bytes, times: Times) -> Option<usize> {
        let class = self.number(bytes)?;
        let edges = &self.branches[at].edges;
        if let Some(edge) = edges.iter().find(|edge| edge.class == class && edge.times == times) {
            return Some(edge.to);
        }
        if edges.len() >= self.max_visits {
            return None;
        }
        let to = self.add(Branch::default());
        self.branches[at].edges.push(Transition { class, times, to });
        Some(to)
    }

    fn number(&mut self, bytes: Bytes) -> Option<u32> {
        let next = u32::try_from(self.classes.len()).ok()?;
        let number = *self.numbers.entry(bytes).or_insert(next);
        if number == next {
            self.classes.push(bytes);
        }
        Some(number)
    }

    /// Returns the most classes that a path may have to try from this branch on, through any child.
    /// `None` on an overflow.
    ///
    /// Recursive, as deep as the longest pattern has bytes and classes, which is little.
    fn visits(&self, at: usize) -> Option<usize> {
        let branch = &self.branches[at];
        let mut visits: usize = 0;
        for edge in &branch.edges {
            visits = visits.checked_add(1)?.checked_add(self.visits(edge.to)?)?;
        }
        let mut most = 0;
        for child in &branch.children {
            most = most.max(self.visits(*child)?);
        }
        visits.checked_add(most)
    }

    /// Lays out the branches level by level, so that the children of a node stand together.
    fn lay_out(self, visits: usize) -> Option<Tree> {
        let (mut nodes, mut edges, mut texts) =
            (Vec::with_capacity(self.branches.len()), Vec::new(), Vec::new());
        let mut followers = Vec::new();
        let mut pending = VecDeque::from([0]);
        let mut numbered: u32 = 1;
        while let Some(at) = pending.pop_front() {
            let branch: &Branch = &self.branches[at];
            let text = extend(&mut texts, branch.text.iter().copied())?;
            let children =
                numbered..numbered.checked_add(u32::try_from(branch.children.len()).ok()?)?;
            pending.extend(&branch.children);
            let leads = (children.end..).zip(&branch.edges);
            let leads = leads.map(|(to, lead)| Edge { class: lead.class, times: lead.times, to });
            let edges = extend(&mut edges, leads)?;
            pending.extend(branch.edges.iter().map(|lead| lead.to));
            numbered = children.end.checked_add(edges.end - edges.start)?;
            let node = u32::try_from(nodes.len()).ok()?;
            followers.extend(
                branch.ends.iter().skip(1).map(|number| Follower { node, number: *number }),
            );
            nodes.push(Node { text, children, edges, ends: branch.ends.first().copied() });
        }
        let first = |node: &Node| texts.get(node.text.start as usize).copied().unwrap_or_default();
        let firsts = nodes.iter().map(first).collect();
        let (nodes, edges, followers) = (nodes.into(), edges.into(), followers.into());
        Some(Tree {
            firsts,
            nodes,
            edges,
            classes: self.classes.into(),
            texts: texts.into(),
            followers,
            visits,
        })
    }
}

fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Appends items to a list and returns their place.
fn extend<T>(list: &mut Vec<T>, items: impl Iterator<Item = T>) -> Option<Range<u32>> {
    let start = u32::try_from(list.len()).ok()?;
    list.extend(items);
    Some(start..u32::try_from(list.len()).ok()?)
}
