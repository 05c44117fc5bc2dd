//! The members of a rule for git, as written and not yet checked. `git.md` section 1.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// The members of a rule for git but for its effects. Parsing a rule checks them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GitMembers {
    /// `push`, `fetch` or `lfs`.
    pub git: String,
    /// The path of the repository, as a template, without `.git`.
    pub repository: String,
    /// The test of the references that may be moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refs: Option<Value>,
    /// True if references may be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<bool>,
    /// True if references may be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<bool>,
    /// True if references may be moved in any way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    /// The test of push options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
    /// The most commands of a push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_commands: Option<u64>,
    /// `download`, `upload` or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// True if locks may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<bool>,
}

impl GitMembers {
    /// Returns the names of the members that are there, beside `git` and `repository`.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let Self { git: _, repository: _, refs, create, delete, force, options, .. } = self;
        let Self { max_commands, operations, locks, .. } = self;
        [
            ("refs", refs.is_some()),
            ("create", create.is_some()),
            ("delete", delete.is_some()),
            ("force", force.is_some()),
            ("options", options.is_some()),
            ("max_commands", max_commands.is_some()),
            ("operations", operations.is_some()),
            ("locks", locks.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
    }
}

/// Prints the rule in its short form, as far as there is one.
impl fmt::Display for GitMembers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "git {} {}", self.git, self.repository)?;
        for value in self.refs.iter() {
            write_words(formatter, "refs", value)?;
        }
        for (name, flag) in
            [("create", self.create), ("delete", self.delete), ("force", self.force)]
        {
            if flag == Some(true) {
                write!(formatter, " {name}")?;
            }
        }
        if let Some(options) = &self.options {
            write!(formatter, " options {options}")?;
        }
        if let Some(max_commands) = self.max_commands {
            write!(formatter, " max_commands={max_commands}")?;
        }
        for operation in self.operations.iter().flatten() {
            write!(formatter, " {operation}")?;
        }
        if self.locks == Some(true) {
            formatter.write_str(" locks")?;
        }
        Ok(())
    }
}

/// Prints texts and globs as words, and any other test as JSON.
fn write_words(formatter: &mut fmt::Formatter<'_>, name: &str, test: &Value) -> fmt::Result {
    let glob =
        test.as_object().filter(|words| words.len() == 1).and_then(|words| words.get("glob"));
    let texts = match glob.unwrap_or(test) {
        Value::Array(texts) => texts.as_slice(),
        text => std::slice::from_ref(text),
    };
    let words: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
    match words {
        Some(words) => words.iter().try_for_each(|word| write!(formatter, " {word}")),
        None => write!(formatter, " {name} {test}"),
    }
}
