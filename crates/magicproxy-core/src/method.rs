//! Methods that a rule may name, and their comparison with a request's method.
//!
//! Specification: `rules.md` section 1. Methods are case-sensitive (RFC 9110 section 9.1).

use crate::excerpt::shorten;

/// The IANA HTTP Method Registry (RFC 9110 section 16.1) without `CONNECT`, `TRACE` and the HTTP/2
/// preface `PRI`, which no rule admits.
const REGISTERED: [&str; 37] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// A method that a rule names: registered, in upper case, and never a tunnel or an echo. A
/// request's method is not of this type, because clients may send any word. Cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(&'static str);

impl Method {
    /// Reads a method name as written in a rule.
    ///
    /// # Errors
    /// [`ParseMethodError`] if the name is not registered or is never admitted.
    pub fn parse(name: &str) -> Result<Self, ParseMethodError> {
        if is_never_admitted(name) {
            return Err(ParseMethodError::NeverAdmitted(name.to_owned()));
        }
        match REGISTERED.iter().find(|known| **known == name) {
            Some(known) => Ok(Self(known)),
            None => Err(ParseMethodError::Unknown(shorten(name))),
        }
    }

    /// The name, in upper case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// True if a rule with this method admits a request with `method`. `GET` admits `HEAD` (RFC
    /// 9110 section 9.3.2).
    #[must_use]
    pub fn admits(self, method: &str) -> bool {
        self.0 == method || (self.0 == "GET" && method == "HEAD")
    }
}

/// True for methods that no rule admits and no door passes on: a tunnel, or an echo that shows the
/// credential. `TRACK` is IIS's name for `TRACE`. Compared without case, because some upstreams do.
#[must_use]
pub fn is_never_admitted(method: &str) -> bool {
    ["CONNECT", "TRACE", "TRACK", "PRI"].iter().any(|never| never.eq_ignore_ascii_case(method))
}

/// The reasons why a word is no method of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseMethodError {
    /// A word outside the registry.
    #[error("`{0}` is not an HTTP method (methods are written in upper case, `*` is any)")]
    Unknown(String),
    /// A method that is never admitted: `CONNECT`, `TRACE` and their kin.
    #[error("`{0}` is never passed on")]
    NeverAdmitted(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_admits_head_and_nothing_else() {
        let get = Method::parse("GET").unwrap();
        assert!(get.admits("GET") && get.admits("HEAD"));
        for other in ["get", "POST", "GETX", "GE", "", "HEADX"] {
            assert!(!get.admits(other), "{other}");
        }
    }

    #[test]
    fn only_registered_names_are_methods() {
        for word in
            ["get", "GTE", "*", "GET|POST", "P.*", "", "CONNECT", "TRACE", "PRI", "G\u{cb}T"]
        {
            assert!(Method::parse(word).is_err(), "{word}");
        }
        assert!(REGISTERED.is_sorted());
        assert!(Method::parse("PATCH").is_ok());
    }
}
