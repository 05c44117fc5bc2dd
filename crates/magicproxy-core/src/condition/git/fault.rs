//! The faults of a rule for git as written.

/// The most references of one push.
pub(super) const MAX_RULE_COMMANDS: u64 = 1_000;

/// The kinds of faults of a rule for git.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::condition) enum GitFault {
    #[error("expected \"push\", \"fetch\" or \"lfs\"")]
    Kind,
    #[error("`{found}` is not known here; write \"fetch\", which is for clones, too")]
    Clone { found: &'static str },
    #[error("this member is for `{0}`")]
    Member(&'static str),
    #[error(
        "it is missing: write the references that may be moved, such as {{\"glob\": \"refs/heads/agent/*\"}}"
    )]
    NoRefs,
    #[error("expected a text, a list of texts, {{}}, or an object with `glob` or `pattern`")]
    Text,
    #[error("a reference is written in full: write `{0}`")]
    ShortName(String),
    #[error("`*` means nothing in a name: write {{\"glob\": \"{0}\"}}")]
    Star(String),
    #[error("`{0}` is no name that git allows for a reference")]
    Name(String),
    #[error("expected 1 to {MAX_RULE_COMMANDS}")]
    MaxCommands,
    #[error("expected \"download\", \"upload\", or a list of both")]
    Operations,
    #[error("a rule for LFS needs `operations`, `\"locks\": true`, or both")]
    NoOperation,
}
