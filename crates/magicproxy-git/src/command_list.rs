//! What a push says before its pack: commands, capabilities, options. `git.md` section 4.
//!
//! Whatever two servers could read in two ways is a fault: a client that speaks as git does never
//! writes it.

mod capabilities;
mod fault;
mod reader;
#[cfg(test)]
mod tests;

use crate::object_id::{ObjectFormat, ObjectId};
use crate::ref_name::RefName;

use capabilities::Capabilities;
pub use fault::CommandListFault;
pub use reader::{CommandListReader, Reading};

/// The longest list, options included, in bytes: a thousand commands fit in.
pub const MAX_COMMAND_LIST_BYTES: usize = 256 * 1024;
/// The most commands of a list.
pub const MAX_PUSH_COMMANDS: usize = 1_000;
/// The most options of a push.
pub const MAX_PUSH_OPTIONS: usize = 100;

/// The bounds of a [`CommandListReader`]: `git.md` section 4 has the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandListBounds {
    /// The longest list, options included, in bytes.
    pub bytes: usize,
    /// The most commands.
    pub commands: usize,
}

impl Default for CommandListBounds {
    fn default() -> Self {
        Self { bytes: MAX_COMMAND_LIST_BYTES, commands: MAX_PUSH_COMMANDS }
    }
}

/// One command of a push: a reference is to name another object than it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCommand {
    old: ObjectId,
    new: ObjectId,
    name: RefName,
}

/// The kinds of commands, as their ids tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The old id is zero: a server refuses the command where the reference exists.
    Create,
    /// Both ids name objects. Nothing tells whether the new one descends from the old one.
    Update,
    /// The new id is zero.
    Delete,
}

impl PushCommand {
    /// Makes a command of ids of one format.
    ///
    /// # Errors
    ///
    /// [`CommandListFault::Command`] if both ids are zero, or of two formats.
    pub fn new(old: ObjectId, new: ObjectId, name: RefName) -> Result<Self, CommandListFault> {
        if old.format() != new.format() || (old.is_zero() && new.is_zero()) {
            return Err(CommandListFault::Command);
        }
        Ok(Self { old, new, name })
    }

    /// Returns the id that the reference has, as the client believes. A server compares.
    #[must_use]
    pub fn old_id(&self) -> ObjectId {
        self.old
    }

    /// Returns the id that the reference is to have.
    #[must_use]
    pub fn new_id(&self) -> ObjectId {
        self.new
    }

    /// Returns the name of the reference.
    #[must_use]
    pub fn name(&self) -> &RefName {
        &self.name
    }

    /// Returns the kind of the command.
    #[must_use]
    pub fn change(&self) -> Change {
        if self.old.is_zero() {
            Change::Create
        } else if self.new.is_zero() {
            Change::Delete
        } else {
            Change::Update
        }
    }
}

/// The whole of what a push says before its pack. Made by a [`CommandListReader`], and by
/// [`CommandList::of`] for a push that is only asked about.
///
/// No reference is named twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandList {
    commands: Vec<PushCommand>,
    options: Vec<Box<str>>,
    shallow: Vec<ObjectId>,
    capabilities: Capabilities,
}

impl CommandList {
    /// Makes the list that a client writes for these commands and options.
    ///
    /// # Errors
    ///
    /// As a [`CommandListReader`] does, for the same faults.
    pub fn of(
        commands: Vec<PushCommand>,
        options: Vec<Box<str>>,
    ) -> Result<Self, CommandListFault> {
        let format = commands.first().map_or(ObjectFormat::Sha1, |command| command.old.format());
        if commands.iter().any(|command| command.old.format() != format) {
            return Err(CommandListFault::ObjectFormat);
        }
        if commands.len() > MAX_PUSH_COMMANDS {
            return Err(CommandListFault::TooManyCommands);
        }
        if options.len() > MAX_PUSH_OPTIONS {
            return Err(CommandListFault::TooManyOptions);
        }
        if options.iter().any(|option| reader::option(option.as_bytes()).is_err()) {
            return Err(CommandListFault::Option);
        }
        let capabilities = Capabilities::usual(format);
        Self { commands, options, shallow: Vec::new(), capabilities }.without_twins()
    }

    /// Returns the list if no reference is named twice in it.
    fn without_twins(self) -> Result<Self, CommandListFault> {
        let mut names: Vec<&RefName> = self.commands.iter().map(PushCommand::name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(CommandListFault::NameTwice);
        }
        Ok(self)
    }

    /// Returns the commands, in their order.
    #[must_use]
    pub fn commands(&self) -> &[PushCommand] {
        &self.commands
    }

    /// Returns the push options, in their order.
    #[must_use]
    pub fn options(&self) -> &[Box<str>] {
        &self.options
    }

    /// Returns the commits whose parents the client does not have, or says that it has not.
    #[must_use]
    pub fn shallow(&self) -> &[ObjectId] {
        &self.shallow
    }

    /// Returns the format of the ids.
    #[must_use]
    pub fn object_format(&self) -> ObjectFormat {
        self.capabilities.object_format()
    }

    /// True if the client wishes that all commands happen or none. A server may not listen.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        self.capabilities.atomic()
    }

    /// True if the client reads a report.
    #[must_use]
    pub fn expects_report(&self) -> bool {
        self.capabilities.report_status()
    }

    /// True if the client takes a report with messages for its user beside it.
    #[must_use]
    pub fn has_side_band(&self) -> bool {
        self.capabilities.side_band()
    }

    /// True for the list without commands, `0000`, by which a client asks whether it may send more.
    ///
    /// The content of such a request MUST end with the list: see `git.md` section 4.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.commands.is_empty()
    }
}
