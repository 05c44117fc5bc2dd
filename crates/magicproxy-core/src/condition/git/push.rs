//! A push as far as it is known, and the test of its commands by one rule. `git.md` section 3.

use magicproxy_git::{Change, CommandList, CommandListFault, PushCommand};

use super::super::outcome::{Outcome, Reason};
use super::super::rule::{Asked, NeededPart};
use super::super::value::ValueTest;

/// The beginning of the names of tags.
const TAGS: &str = "refs/tags/";
/// The steps of looking at a command or an option, beside those of its bytes.
const STEPS_OF_A_COMMAND: usize = 8;

/// A push as far as it is known: the commands before its pack and, once that was asked, which of its
/// updates are fast-forwards.
#[derive(Clone, Debug)]
pub struct Push {
    list: CommandList,
    /// By the number of the command; `None` until somebody has looked.
    fast_forwards: Option<Vec<bool>>,
}

impl Push {
    /// Makes a push of which only the commands are known.
    #[must_use]
    pub fn new(list: CommandList) -> Self {
        Self { list, fast_forwards: None }
    }

    /// Returns the commands.
    #[must_use]
    pub fn list(&self) -> &CommandList {
        &self.list
    }

    /// Returns the numbers of the commands that are allowed without `force` if they are
    /// fast-forwards. Tags are never moved without.
    #[must_use]
    pub fn updates(&self) -> Vec<usize> {
        let commands = self.list.commands().iter().enumerate();
        commands.filter(|(_, command)| may_be_forward(command)).map(|(at, _)| at).collect()
    }

    /// Adds which commands are proved to be fast-forwards. What is not proved is none.
    #[must_use]
    pub fn with_fast_forwards(self, is_proved: impl Fn(usize) -> bool) -> Self {
        let proved = (0..self.list.commands().len()).map(is_proved).collect();
        Self { fast_forwards: Some(proved), ..self }
    }

    /// True if the command of this number is proved to be a fast-forward; `None` if nobody has
    /// looked.
    fn is_fast_forward(&self, number: usize) -> Option<bool> {
        let proved = self.fast_forwards.as_ref()?;
        Some(proved.get(number).copied().unwrap_or(false))
    }

    /// Returns the steps of judging the commands by one rule.
    pub(in crate::condition) fn steps(&self) -> usize {
        let names = self.list.commands().iter().map(|command| command.name().as_str().len());
        let options = self.list.options().iter().map(|option| option.len());
        names.chain(options).map(|bytes| STEPS_OF_A_COMMAND + bytes).sum()
    }
}

/// True for an update that may be a fast-forward.
fn may_be_forward(command: &PushCommand) -> bool {
    command.change() == Change::Update && !command.name().as_str().starts_with(TAGS)
}

/// The checked test of the commands of a push.
#[derive(Clone, Debug)]
pub(in crate::condition) struct PushTest {
    pub(super) refs: ValueTest,
    /// The test of each push option; `None` where there is to be none.
    pub(super) options: Option<ValueTest>,
    pub(super) create: bool,
    pub(super) delete: bool,
    pub(super) force: bool,
    pub(super) max_commands: usize,
}

/// What a rule says of one command, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CommandVerdict {
    /// The reference is in no rule.
    NotAllowed,
    /// An option of the push is in no rule that the reference is in.
    Option,
    Create,
    Delete,
    /// The update is no proved fast-forward.
    FastForward,
    /// The command is allowed, alone.
    Allowed,
}

impl PushTest {
    /// Tests the commands and options of a push.
    pub(super) fn ask(&self, push: &Push) -> Asked {
        let list = push.list();
        if list.is_probe() {
            return Asked::Outcome(Outcome::True);
        }
        let mut outcome = Outcome::of(list.commands().len() <= self.max_commands);
        for option in list.options() {
            outcome = outcome.and(self.of_option(option));
        }
        for command in list.commands() {
            outcome = outcome.and(self.of_name(command)).and(Outcome::of(self.of_change(command)));
        }
        if outcome != Outcome::True || self.force {
            return Asked::Outcome(outcome);
        }
        for number in push.updates() {
            match push.is_fast_forward(number) {
                None => return Asked::Needs(NeededPart::FastForwards),
                Some(true) => {}
                Some(false) => return Asked::Outcome(Outcome::Unknown(Reason::NotFastForward)),
            }
        }
        Asked::Outcome(Outcome::True)
    }

    pub(super) fn of_option(&self, option: &str) -> Outcome {
        let doubt = Reason::Commands(CommandListFault::Option);
        self.options.as_ref().map_or(Outcome::False, |test| test.judge_text(option, doubt))
    }

    pub(super) fn of_name(&self, command: &PushCommand) -> Outcome {
        self.refs.judge_text(command.name().as_str(), Reason::Commands(CommandListFault::Name))
    }

    /// True if the change is allowed, or may be a fast-forward.
    pub(super) fn of_change(&self, command: &PushCommand) -> bool {
        match command.change() {
            Change::Create => self.create,
            Change::Delete => self.delete,
            Change::Update => self.force || may_be_forward(command),
        }
    }

    /// Judges one command as if it were the only one.
    pub(super) fn verdict(&self, push: &Push, number: usize) -> CommandVerdict {
        let Some(command) = push.list().commands().get(number) else {
            return CommandVerdict::NotAllowed;
        };
        let options = push.list().options().iter();
        if self.of_name(command) != Outcome::True {
            return CommandVerdict::NotAllowed;
        }
        if options.map(|option| self.of_option(option)).any(|outcome| outcome != Outcome::True) {
            return CommandVerdict::Option;
        }
        match command.change() {
            Change::Create if !self.create => CommandVerdict::Create,
            Change::Delete if !self.delete => CommandVerdict::Delete,
            Change::Update if !self.is_forward(push, number) => CommandVerdict::FastForward,
            Change::Create | Change::Delete | Change::Update => CommandVerdict::Allowed,
        }
    }

    /// True if an update is allowed. Where nobody has looked whether it is a fast-forward, something
    /// else was wrong.
    pub(super) fn is_forward(&self, push: &Push, number: usize) -> bool {
        let command = push.list().commands().get(number);
        let may_be = command.is_some_and(may_be_forward);
        self.force || may_be && push.is_fast_forward(number) != Some(false)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let options = self.options.as_ref().map_or(0, ValueTest::memory_bytes);
        self.refs.memory_bytes() + options
    }
}
