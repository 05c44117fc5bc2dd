//! The proof that an update is a fast-forward, from the head of the pack that the push sends.
//! `git.md` section 5.
//!
//! A commit names its parents, and its id is the digest of that text. A way from the new id to the
//! old one along parents therefore shows that the old commit is an ancestor, whoever sent the text:
//! no server can have another commit under the same id. Everything else that a pack says is of no
//! weight, and what is not read is not proved.

mod ancestry;
mod commit;
mod delta;
mod entry;
mod objects;
#[cfg(test)]
mod tests;

use crate::command_list::CommandList;
use crate::object_id::ObjectId;

use ancestry::Ancestry;
use objects::{Objects, PackFault};

/// The most commands of a push that can be proved. Further ones are [`Verdict::CannotTell`].
pub const MAX_PROVED_COMMANDS: usize = 64;
/// The most memory that a proof takes in bytes, with the usual bounds.
pub const MAX_PROOF_MEMORY: usize = 6 * 1024 * 1024;
/// The most ids of a [`Verdict::NotProved`].
pub const MAX_FRONTIER: usize = 64;

/// How far a [`FastForwardProof`] reads. Beyond a bound nothing is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofBounds {
    /// The most bytes of the pack.
    pub bytes: usize,
    /// The most objects of any kind.
    pub objects: usize,
    /// The most commits.
    pub commits: usize,
    /// The most parents, of all commits together.
    pub parents: usize,
    /// The most bytes that are inflated or made from deltas.
    pub inflated: usize,
    /// The most bytes of commits that are kept, as bases of deltas.
    pub kept: usize,
}

impl Default for ProofBounds {
    fn default() -> Self {
        Self {
            bytes: 1 << 20,
            objects: 6_000,
            commits: 5_000,
            parents: 10_000,
            inflated: 8 << 20,
            kept: 2 << 20,
        }
    }
}

/// What became of a [`FastForwardProof::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The budget is used up. The bytes from `consumed` on are to be given again, and be they none.
    Paused {
        /// The number of bytes that were read.
        consumed: usize,
    },
    /// All bytes were read, and the next ones can tell more.
    More,
    /// Nothing that follows changes a verdict.
    Done,
}

/// What is known of one update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The old commit is the new one, or an ancestor of it.
    Proved,
    /// The old commit was not met.
    NotProved {
        /// Ancestors of the new commit, or itself, that were not read: the old commit is an ancestor
        /// of the new one if it is one of any of these, or one of these itself. Each id at most
        /// once, none that the client calls shallow, and at most [`MAX_FRONTIER`].
        frontier: Vec<ObjectId>,
    },
    /// The pack cannot be read, or the command is no update, or one too many.
    CannotTell,
}

/// A proof in the making: which updates of a push are fast-forwards.
#[derive(Debug)]
pub struct FastForwardProof {
    updates: Vec<Option<Update>>,
    ancestry: Ancestry,
    objects: Objects,
    fault: Option<PackFault>,
}

/// One update: its bit among the marks of commits, and the commit to be met.
#[derive(Clone, Copy, Debug)]
struct Update {
    bit: u64,
    old: ObjectId,
}

impl FastForwardProof {
    /// Begins a proof for the commands of `list` at these places.
    ///
    /// The list's `shallow` lines count: a server may forget the parents of a commit that they
    /// name, so that no way leads through it.
    #[must_use]
    pub fn new(list: &CommandList, commands: &[usize], bounds: ProofBounds) -> Self {
        let mut ancestry = Ancestry::new(list.shallow());
        let mut bits = (0..MAX_PROVED_COMMANDS).map(|bit| 1 << bit);
        let updates = commands.iter().map(|place| {
            let command = list.commands().get(*place)?;
            let (old, new) = (command.old_id(), command.new_id());
            if old.is_zero() || new.is_zero() {
                return None;
            }
            let update = Update { bit: bits.next()?, old };
            ancestry.reach(new, update.bit);
            Some(update)
        });
        let updates = updates.collect();
        Self { updates, ancestry, objects: Objects::new(list.object_format(), bounds), fault: None }
    }

    /// Reads the bytes of the pack that follow those which were read.
    ///
    /// `budget` bounds the work, in bytes that are inflated, hashed or walked over. A call goes
    /// beyond it by one commit at most.
    pub fn read(&mut self, bytes: &[u8], budget: usize) -> Progress {
        let mut budget = Budget(budget);
        let mut consumed = 0;
        loop {
            self.ancestry.advance(&mut budget);
            if self.is_done() {
                return Progress::Done;
            }
            if budget.is_used_up() {
                return Progress::Paused { consumed };
            }
            let rest = bytes.get(consumed..).unwrap_or_default();
            if rest.is_empty() && !self.objects.holds_output() {
                return Progress::More;
            }
            match self.objects.advance(rest, &mut budget) {
                Ok((length, commit)) => {
                    consumed += length;
                    if let Some(commit) = commit {
                        self.ancestry.insert(commit.id, &commit.parents);
                    }
                }
                Err(fault) => self.fault = Some(fault),
            }
        }
    }

    /// Returns the verdict on the command at this place of the `commands` that the proof was begun
    /// with. Valid at any time: until [`Progress::Done`], less may be proved than will be.
    #[must_use]
    pub fn verdict(&self, place: usize) -> Verdict {
        let Some(update) = self.updates.get(place).copied().flatten() else {
            return Verdict::CannotTell;
        };
        if self.is_proved(&update) {
            Verdict::Proved
        } else if self.fault.is_some() {
            Verdict::CannotTell
        } else {
            Verdict::NotProved { frontier: self.ancestry.frontier(update.bit, MAX_FRONTIER) }
        }
    }

    /// Returns the bytes of memory that are held now, about.
    #[must_use]
    pub fn held(&self) -> usize {
        size_of::<Self>() + self.ancestry.held() + self.objects.held()
    }

    fn is_proved(&self, update: &Update) -> bool {
        self.ancestry.is_reached(&update.old, update.bit)
    }

    fn is_done(&self) -> bool {
        let mut open = self.updates.iter().flatten().filter(|update| !self.is_proved(update));
        self.ancestry.is_at_rest()
            && (self.fault.is_some() || self.objects.has_ended() || open.next().is_none())
    }
}

/// Work that is left in one call, in bytes.
#[derive(Debug)]
struct Budget(usize);

impl Budget {
    fn take(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }

    fn is_used_up(&self) -> bool {
        self.0 == 0
    }
}
