//! Names at the top of a body that override the method, or carry a token or a credential.

use crate::condition::names::twin_key;
use crate::target::{is_same_name, names_method};

/// The names of parameters that carry a token or a credential by the settings of the upstream.
#[derive(Debug)]
pub(super) struct GuardedNames<'t> {
    written: &'t [String],
    /// The names as lenient readers of JSON see them.
    keys: Vec<String>,
}

impl<'t> GuardedNames<'t> {
    pub(super) fn new(written: &'t [String]) -> Self {
        Self { written, keys: written.iter().map(|name| twin_key(name).into_owned()).collect() }
    }

    /// True if some reader takes a [plain](crate::condition::names::is_plain_name) name for one of
    /// these. No plain name overrides the method.
    #[inline]
    pub(super) fn has_plain(&self, name: &[u8]) -> bool {
        !self.written.is_empty()
            && std::str::from_utf8(name).is_ok_and(|name| self.has_parameter(name, name))
    }

    /// True if some reader takes a name for one that overrides the method, or for one of these.
    pub(super) fn has(&self, name: &str, key: &str) -> bool {
        names_method(name) || self.has_parameter(name, key)
    }

    fn has_parameter(&self, name: &str, key: &str) -> bool {
        let mut names = self.written.iter().zip(&self.keys);
        names.any(|(written, own)| own == key || is_same_name(name, written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::names::is_plain_name;

    #[test]
    fn no_plain_name_overrides_the_method() {
        for name in ["method", "httpmethod", "xhttpmethodoverride", "xmethodoverride", "x"] {
            assert!(is_plain_name(name.as_bytes()) && !names_method(name), "{name}");
        }
    }
}
