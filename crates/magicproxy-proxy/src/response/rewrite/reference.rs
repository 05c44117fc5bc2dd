//! References in fields as clients read them, however the references are written:
//! `docs/spec/rewriting.md` section 2.
//!
//! A defence of the token: a client that repairs a malformed URL of the server must not be led past
//! the proxy by the repaired URL.

use std::fmt::Write as _;

use url::Url;

use super::LinkMap;

impl LinkMap {
    /// Rewrites the reference in a field to lead to the proxy; `None` for a reference that stays.
    pub(super) fn rewrite_field(&self, written: &[u8]) -> Option<Vec<u8>> {
        let reference = percent_encoded(written.trim_ascii());
        let rewritten =
            match is_plain(&reference).then(|| self.rewrite_reference(&reference)).flatten() {
                Some(rewritten) => Some(rewritten),
                None => self.rewrite_repaired(&reference),
            };
        rewritten.map(String::into_bytes).filter(|rewritten| rewritten != written)
    }

    /// Reads a reference as browsers and the `fetch` of JavaScript do (WHATWG URL), because
    /// browsers repair the most.
    fn rewrite_repaired(&self, reference: &str) -> Option<String> {
        let text: String =
            reference.chars().filter(|character| !character.is_ascii_control()).collect();
        let path = text.starts_with(is_slash) && !is_plain(reference);
        // A reference relative to the request's own URL leads to the same server as the request.
        let mut url = (path || text.starts_with("//") || has_scheme(&text))
            .then(|| self.resolved(&text))
            .flatten()?;
        let host = url.host_str()?.strip_suffix('.').map(str::to_owned);
        if let Some(host) = host {
            url.set_host(Some(&host)).ok()?;
        }
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        self.rewrite_url(url.as_str())
    }

    fn resolved(&self, reference: &str) -> Option<Url> {
        let authority = reference.trim_start_matches(is_slash);
        // Any number of slashes counts as two.
        if reference.len() - authority.len() >= 2 {
            let (scheme, _) = self.origin().split_once(':')?;
            return Url::parse(&format!("{scheme}://{authority}")).ok();
        }
        Url::parse(reference).or_else(|_| Url::parse(self.origin())?.join(reference)).ok()
    }
}

/// Percent-encodes bytes that no URI holds and every client would encode.
fn percent_encoded(written: &[u8]) -> String {
    let mut text = String::with_capacity(written.len());
    for byte in written {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// True if every client reads this reference in the same way.
fn is_plain(reference: &str) -> bool {
    !reference.bytes().any(|byte| byte == b'\\' || byte == b'"' || byte.is_ascii_control())
}

fn has_scheme(reference: &str) -> bool {
    reference.split(['/', '?', '#', '\\']).next().is_some_and(|first| first.contains(':'))
}

fn is_slash(character: char) -> bool {
    matches!(character, '/' | '\\')
}
