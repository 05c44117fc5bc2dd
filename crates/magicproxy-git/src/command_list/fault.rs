//! Why a list of commands is refused.

/// A list of commands that is no list, that two servers could read in two ways, or that is too
/// long. [`CommandListFault::code`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CommandListFault {
    /// A length that is none, or none that has a meaning here.
    #[error("a packet begins with its length in four lowercase hexadecimal digits")]
    Packet,
    /// A line that is no command, or a command that says nothing.
    #[error("a command is an old id, a new id and a reference, and one of the ids is not zero")]
    Command,
    /// A `shallow` line without a whole id, or after a command.
    #[error("a `shallow` line has the id of one commit, and stands before the commands")]
    Shallow,
    /// `shallow` lines without commands.
    #[error("a list without commands has nothing else either")]
    Empty,
    /// A reference that is no full name.
    #[error("a reference is written in full, such as `refs/heads/main`, as git allows it")]
    Name,
    /// A reference that two commands name.
    #[error("a reference is named by two commands")]
    NameTwice,
    /// Capabilities that are unknown, come twice, or are not separated by spaces.
    #[error("the first command has capabilities that git's clients do not send")]
    Capability,
    /// An object format that is unknown, or that the ids do not have.
    #[error("the object format is `sha1` or `sha256`, and all ids are of it")]
    ObjectFormat,
    /// A signed push, whose commands stand in a certificate.
    #[error("a signed push (`push-cert`) is not read here")]
    PushCertificate,
    /// A push option with control characters, or that is not UTF-8.
    #[error("a push option is text without control characters")]
    Option,
    /// A list that is longer than its bound.
    #[error("the list of commands is too long")]
    TooLong,
    /// More commands than the bound.
    #[error("the list has too many commands")]
    TooManyCommands,
    /// More options than the bound.
    #[error("the list has too many push options")]
    TooManyOptions,
    /// A request that ends within the list. Never returned by a reader, which does not see the end.
    #[error("the list of commands ends before its end")]
    CutShort,
    /// Bytes after the end, given to a reader that had read the whole list.
    #[error("the list of commands has ended")]
    Ended,
}

impl CommandListFault {
    /// Returns the stable code of the refusal.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Packet | Self::Command | Self::Shallow | Self::Empty | Self::Option => {
                "git_syntax"
            }
            Self::NameTwice | Self::CutShort | Self::Ended => "git_syntax",
            Self::Name => "git_ref_name",
            Self::Capability => "git_capability",
            Self::ObjectFormat => "git_object_format",
            Self::PushCertificate => "git_push_cert",
            Self::TooLong | Self::TooManyOptions => "git_too_long",
            Self::TooManyCommands => "git_too_many_commands",
        }
    }
}
