//! Queue for the connections of one origin: an owner who waits for many connections does not put
//! all other owners behind.
//!
//! Groups take turns, and so do owners inside a group; the requests of one owner are served in the
//! order of arrival. An owner of tokens that no stranger can mint is a group alone. A stranger
//! makes any number of owners, so the owners of one peer are a group together.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::admission::{Account, MinterTrust, Payer};

/// Reason for which the first request of a line is not served now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SkipReason {
    /// The owner has used up a share, or the request needs a connection that others do not need,
    /// such as a new one.
    Line,
    /// The group has used up a share.
    Group,
    /// Nothing is left for any request.
    All,
}

/// Waiting requests, in groups that take turns.
#[derive(Debug)]
pub(super) struct Queue<T> {
    groups: VecDeque<Group<T>>,
    length: usize,
    next_ticket: u64,
}

/// Group of owners that takes turns with other groups: one known owner, or the owners that
/// strangers made at one peer.
#[derive(Debug)]
struct Group<T> {
    key: usize,
    lines: VecDeque<Line<T>>,
}

/// Requests of one owner, in the order of arrival.
#[derive(Debug)]
struct Line<T> {
    owner: usize,
    waiting: VecDeque<(u64, T)>,
}

/// Position of a waiting request: the group, the line and the number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    group: usize,
    owner: usize,
    number: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { groups: VecDeque::new(), length: 0, next_ticket: 0 }
    }
}

impl<T> Queue<T> {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Puts an item at the end of the owner's line.
    pub(super) fn push(&mut self, payer: &Payer, item: T) -> Ticket {
        let owner = account_key(payer.owner.as_ref().unwrap_or(&payer.peer));
        let group =
            if payer.trust == MinterTrust::Known { owner } else { account_key(&payer.peer) };
        let ticket = Ticket { group, owner, number: self.next_ticket };
        self.next_ticket += 1;
        self.length += 1;
        let entry = (ticket.number, item);
        match self.groups.iter_mut().find(|known| known.key == group) {
            Some(known) => known.push(owner, entry),
            None => {
                let lines = VecDeque::from([Line { owner, waiting: VecDeque::from([entry]) }]);
                self.groups.push_back(Group { key: group, lines });
            }
        }
        ticket
    }

    /// Removes an item that no longer waits; none if the item was served before.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let at = self.groups.iter().position(|group| group.key == ticket.group)?;
        let group = self.groups.get_mut(at)?;
        let line_at = group.lines.iter().position(|line| line.owner == ticket.owner)?;
        let line = group.lines.get_mut(line_at)?;
        // Tickets of a line are in order.
        let entry_at =
            line.waiting.binary_search_by_key(&ticket.number, |(number, _)| *number).ok()?;
        let (_, item) = line.waiting.remove(entry_at)?;
        if line.waiting.is_empty() {
            group.lines.remove(line_at);
        }
        if group.lines.is_empty() {
            self.groups.remove(at);
        }
        self.length -= 1;
        Some(item)
    }

    /// Gives a turn to the next item for which `turn` finds something; the item's line and group
    /// then go behind the others.
    pub(super) fn serve<R>(
        &mut self,
        mut turn: impl FnMut(&T) -> Result<R, SkipReason>,
    ) -> Option<(T, R)> {
        for at in 0..self.groups.len() {
            match self.groups.get_mut(at)?.serve(&mut turn) {
                Ok((item, result)) => {
                    self.length -= 1;
                    let group = self.groups.remove(at).filter(|group| !group.lines.is_empty());
                    self.groups.extend(group);
                    return Some((item, result));
                }
                Err(SkipReason::All) => return None,
                Err(SkipReason::Line | SkipReason::Group) => {}
            }
        }
        None
    }
}

impl<T> Group<T> {
    fn push(&mut self, owner: usize, entry: (u64, T)) {
        match self.lines.iter_mut().find(|line| line.owner == owner) {
            Some(line) => line.waiting.push_back(entry),
            None => self.lines.push_back(Line { owner, waiting: VecDeque::from([entry]) }),
        }
    }

    fn serve<R>(
        &mut self,
        turn: &mut impl FnMut(&T) -> Result<R, SkipReason>,
    ) -> Result<(T, R), SkipReason> {
        for at in 0..self.lines.len() {
            let Some((_, first)) = self.lines.get(at).and_then(|line| line.waiting.front()) else {
                continue;
            };
            match turn(first) {
                Ok(result) => {
                    let Some(mut line) = self.lines.remove(at) else {
                        return Err(SkipReason::Group);
                    };
                    let Some((_, item)) = line.waiting.pop_front() else {
                        return Err(SkipReason::Group);
                    };
                    if !line.waiting.is_empty() {
                        self.lines.push_back(line);
                    }
                    return Ok((item, result));
                }
                Err(SkipReason::Line) => {}
                Err(skip) => return Err(skip),
            }
        }
        Err(SkipReason::Group)
    }
}

/// Returns a key that tells an account from others while the account is referred to.
pub(super) fn account_key(account: &Arc<Account>) -> usize {
    Arc::as_ptr(account).addr()
}
