//! Full names of references, as `git check-ref-format` allows them.

use std::fmt;

/// The full name of a reference, such as `refs/heads/main`.
///
/// A name begins with `refs/`, is UTF-8, and is what `git check-ref-format` accepts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(Box<str>);

/// A text that is no full name of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a reference is written in full, such as `refs/heads/main`, as `git check-ref-format` allows it"
)]
pub struct ParseRefNameError;

impl RefName {
    /// Reads a full name.
    ///
    /// # Errors
    ///
    /// On names that do not begin with `refs/`, that `git check-ref-format` refuses, or that are
    /// not UTF-8.
    pub fn parse(name: &[u8]) -> Result<Self, ParseRefNameError> {
        let text = std::str::from_utf8(name).map_err(|_| ParseRefNameError)?;
        let is_right = text.starts_with("refs/")
            && text.split('/').all(is_component)
            && !text.ends_with('.')
            && !["..", "@{"].iter().any(|part| text.contains(part))
            && !text.bytes().any(is_forbidden);
        is_right.then(|| Self(text.into())).ok_or(ParseRefNameError)
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_component(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && !text.ends_with(".lock")
}

fn is_forbidden(byte: u8) -> bool {
    byte.is_ascii_control() || b" ~^:?*[\\".contains(&byte)
}

impl fmt::Display for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::RefName;

    #[test]
    fn names_are_those_of_git() {
        for name in
            ["refs/heads/main", "refs/a", "refs/heads/@", "refs/heads/a.lock.b", "refs/heads/é{"]
        {
            assert!(RefName::parse(name.as_bytes()).is_ok(), "{name}");
        }
        let refused = [
            "",
            "refs",
            "refs/",
            "heads/main",
            "main",
            "HEAD",
            "/refs/heads/a",
            "Refs/heads/a",
            "refs//a",
            "refs/heads/",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/a.lock/b",
            "refs/heads/a..b",
            "refs/heads/a.",
            "refs/heads/a@{b",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/a?",
            "refs/heads/*",
            "refs/heads/[a",
            "refs/heads/a\\b",
            "refs/heads/a\n",
            "refs/heads/a\0b",
            "refs/heads/a\x7f",
            "refs/heads/a\tb",
        ];
        for name in refused {
            assert!(RefName::parse(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(RefName::parse(b"refs/heads/\xff").is_err());
    }
}
