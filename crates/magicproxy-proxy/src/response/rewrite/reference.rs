//! References in fields as clients read them, in whatever way they are written: `docs/spec/rewriting.md` section 2.
//!
//! A client that repairs what a server wrote must not be led past the proxy by the repaired URL, with its token.

use std::fmt::Write as _;

use url::Url;

use super::LinkMap;

impl LinkMap {
    /// Where the reference in a field leads at the proxy; `None` for one that stays as it is.
    pub(super) fn rewrite_field(&self, written: &[u8]) -> Option<Vec<u8>> {
        let reference = percent_encoded(written.trim_ascii());
        let rewritten =
            match is_plain(&reference).then(|| self.rewrite_reference(&reference)).flatten() {
                Some(rewritten) => Some(rewritten),
                None => self.rewrite_repaired(&reference),
            };
        rewritten.map(String::into_bytes).filter(|rewritten| rewritten != written)
    }

    /// Reads a reference as browsers and the `fetch` of JavaScript do (WHATWG URL), which go furthest in repairing it.
    fn rewrite_repaired(&self, reference: &str) -> Option<String> {
        let text: String =
            reference.chars().filter(|character| !character.is_ascii_control()).collect();
        let path = text.starts_with(is_slash) && !is_plain(reference);
        // What is relative to the request's own URL leads to where that led.
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
        // Any number of slashes is two.
        if reference.len() - authority.len() >= 2 {
            let (scheme, _) = self.origin().split_once(':')?;
            return Url::parse(&format!("{scheme}://{authority}")).ok();
        }
        Url::parse(reference).or_else(|_| Url::parse(self.origin())?.join(reference)).ok()
    }
}

/// With `%XX` for what no URI holds and every client would write so.
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

/// Does every client read this in the same way?
fn is_plain(reference: &str) -> bool {
    !reference.bytes().any(|byte| byte == b'\\' || byte == b'"' || byte.is_ascii_control())
}

fn has_scheme(reference: &str) -> bool {
    reference.split(['/', '?', '#', '\\']).next().is_some_and(|first| first.contains(':'))
}

fn is_slash(character: char) -> bool {
    matches!(character, '/' | '\\')
}
