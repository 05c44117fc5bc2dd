//! Links, and the matching of URLs with links: `docs/spec/rewriting.md` sections 1 and 2.

use std::sync::Arc;

use crate::members::Members;

/// Map from the URLs of an upstream's origins to URLs of the proxy. Made by the reverse door from
/// the proxy's public links. The map decides nothing about requests: a rewritten URL gives no
/// access without a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkMap {
    /// Links, the longest `from` first.
    links: Vec<Link>,
    /// Scheme and authority that the request went to.
    origin: String,
    /// Path of the proxy's own URL, which is missing from requests on arrival.
    base: String,
    /// Members of bodies that are followed; none unless [`Self::following`] sets them.
    members: Arc<Members>,
}

/// Link: a URL prefix of the upstream (`from`), and the prefix of the proxy that replaces it
/// (`to`).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    /// Scheme and authority in lower case, without a default port.
    origin: String,
    /// Default port, `:443` or `:80`, where the port may follow the origin.
    port: &'static str,
    base_path: String,
    to: String,
    /// `to` with each `/` as `\/`.
    to_escaped: String,
}

/// Result of comparing the beginning of a text with the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Matched(LinkMatch),
    Mismatched,
    /// More of the text is needed.
    Incomplete,
}

/// Match of a text that begins with a link's `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkMatch {
    link: usize,
    /// Number of bytes of the text that are `from`.
    pub(super) length: usize,
    /// True if the first `/` was written as `\/`.
    escaped: bool,
}

impl LinkMap {
    /// Makes a map of these pairs of `from` and `to`. A pair that is no link (section 1) is left
    /// out.
    #[must_use]
    pub fn new<F: AsRef<str>, T: AsRef<str>>(pairs: impl IntoIterator<Item = (F, T)>) -> Self {
        let link = |(from, to): (F, T)| Link::parse(from.as_ref(), to.as_ref());
        let mut links: Vec<Link> = pairs.into_iter().filter_map(link).collect();
        links.sort_by_key(|link| std::cmp::Reverse(link.origin.len() + link.base_path.len()));
        Self { links, ..Self::default() }
    }

    /// Sets the members of bodies that clients follow.
    #[must_use]
    pub fn following(mut self, members: Arc<Members>) -> Self {
        self.members = members;
        self
    }

    /// Sets the proxy's own URL: a server in front of the proxy removes the path of the URL from
    /// requests.
    #[must_use]
    pub fn behind(mut self, url: &str) -> Self {
        self.base = split(url).map(|(_, path)| path.to_owned()).unwrap_or_default();
        self
    }

    /// Sets the origin that the request went to, by a URL of the origin: references without an
    /// origin are relative to the origin.
    #[must_use]
    pub fn with_origin(mut self, url: &str) -> Self {
        self.origin = split(url).map(|(origin, _)| origin.to_ascii_lowercase()).unwrap_or_default();
        self
    }

    /// Returns the members of bodies that clients follow.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// True if there is nothing to rewrite.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Rewrites an absolute URL to lead to the proxy; `None` for a URL that matches no link.
    #[must_use]
    pub fn rewrite_url(&self, url: &str) -> Option<String> {
        let (link, rest) = self.split_url(url)?;
        Some(format!("{}{rest}", link.to))
    }

    /// True if a URL leads to this path of the proxy, in any spelling, given the text behind the
    /// link's `from`.
    pub(super) fn leads_to(&self, matched: LinkMatch, rest: &[u8], path: &str) -> bool {
        let Some(link) = self.links.get(matched.link) else { return false };
        let Some(own) = link.path().strip_prefix(&*self.base) else { return false };
        let Some(asked) = path.strip_prefix(own) else { return false };
        let end = rest.iter().position(|byte| b"?#".contains(byte)).unwrap_or(rest.len());
        let rest = rest.get(..end).unwrap_or_default();
        decoded(rest).eq(decoded(asked.as_bytes())) || (rest.is_empty() && asked == "/")
    }

    /// Returns the origin that the request went to, as a URL.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Rewrites a reference, absolute or not, to lead to the proxy; `None` for a reference that
    /// stays.
    pub(super) fn rewrite_reference(&self, reference: &str) -> Option<String> {
        if reference.starts_with("//") {
            let (scheme, _) = self.origin.split_once(':')?;
            return self.rewrite_url(&format!("{scheme}:{reference}"));
        }
        if !reference.starts_with('/') {
            return self.rewrite_url(reference);
        }
        let url = format!("{}{reference}", self.origin);
        let (link, rest) = self.split_url(&url)?;
        let path = format!("{}{rest}", link.path());
        Some(match path.as_bytes() {
            // A path that began with `//` would be an authority.
            [b'/', b'/', ..] => format!("{}{rest}", link.to),
            [b'/', ..] => path,
            _ => format!("/{path}"),
        })
        .filter(|rewritten| rewritten != reference)
    }

    /// Splits a URL into the matching link and the text behind the link's `from`.
    fn split_url<'u>(&self, url: &'u str) -> Option<(&Link, &'u str)> {
        // A quotation mark stands for the end, as in JSON; no other quotation mark and no backslash
        // may occur.
        if url.contains(['"', '\\']) {
            return None;
        }
        match self.prefix(format!("{url}\"").as_bytes()) {
            Prefix::Matched(matched) => {
                Some((self.links.get(matched.link)?, url.get(matched.length..)?))
            }
            Prefix::Mismatched | Prefix::Incomplete => None,
        }
    }

    /// Compares the beginning of a JSON string's inside, including the closing quotation mark.
    pub(super) fn prefix(&self, text: &[u8]) -> Prefix {
        // Almost all URLs are written exactly as the links are. An earlier link, which is longer,
        // cannot match: where the found link's origin ends, the earlier link's origin goes on, or
        // the two differ before.
        let mut links = self.links.iter().enumerate();
        if let Some((at, link)) = links.find(|(_, link)| text.starts_with(link.origin.as_bytes()))
            && let Ok(found) = link.prefix(text)
        {
            return Prefix::Matched(LinkMatch {
                link: at,
                length: found.at,
                escaped: found.escaped == Some(true),
            });
        }
        for (at, link) in self.links.iter().enumerate() {
            match link.prefix(text) {
                Ok(found) => {
                    return Prefix::Matched(LinkMatch {
                        link: at,
                        length: found.at,
                        escaped: found.escaped == Some(true),
                    });
                }
                // A longer link may still win.
                Err(Mismatch::Unknown) => return Prefix::Incomplete,
                // A longer link might have won.
                Err(Mismatch::Unclear) => return Prefix::Mismatched,
                Err(Mismatch::Yes) => {}
            }
        }
        Prefix::Mismatched
    }

    /// Returns the replacement for the matched beginning.
    pub(super) fn replacement(&self, matched: LinkMatch) -> &[u8] {
        match self.links.get(matched.link) {
            Some(link) if matched.escaped => link.to_escaped.as_bytes(),
            Some(link) => link.to.as_bytes(),
            None => &[],
        }
    }
}

impl Link {
    fn parse(from: &str, to: &str) -> Option<Self> {
        let (origin, base_path) = split(from)?;
        split(to)?;
        let mut origin = origin.to_ascii_lowercase();
        let default = if origin.starts_with("https:") { ":443" } else { ":80" };
        let (_, authority) = origin.split_once("://")?;
        let host =
            authority.rfind(']').map_or(authority, |end| authority.get(end..).unwrap_or_default());
        let (bare, port) = if origin.ends_with(default) {
            (origin.strip_suffix(default)?.to_owned(), default)
        } else {
            (origin.clone(), if host.contains(':') { "" } else { default })
        };
        origin = bare;
        let to_escaped = to.replace('/', "\\/");
        let link =
            Self { origin, port, base_path: base_path.to_owned(), to: to.to_owned(), to_escaped };
        (format!("{}{}", link.origin, link.base_path) != to).then_some(link)
    }

    fn path(&self) -> &str {
        split(&self.to).map_or("", |(_, path)| path)
    }

    fn prefix<'t>(&self, text: &'t [u8]) -> Result<Cursor<'t>, Mismatch> {
        let mut cursor = Cursor { text, at: 0, escaped: None };
        if text.starts_with(self.origin.as_bytes()) {
            cursor = Cursor { text, at: self.origin.len(), escaped: Some(false) };
        } else {
            cursor.take(&self.origin, u8::eq_ignore_ascii_case)?;
        }
        if !self.port.is_empty() && cursor.peek()? == b':' {
            cursor.take(self.port, u8::eq)?;
        }
        cursor.take(&self.base_path, u8::eq)?;
        match cursor.peek()? {
            b'/' | b'?' | b'#' | b'{' | b'"' => Ok(cursor),
            b'\\' => cursor.escapes_slash().map(|()| cursor),
            _ => Err(Mismatch::Yes),
        }
    }
}

/// Difference between a text and the expected text.
enum Mismatch {
    Yes,
    /// The text ends before a difference shows.
    Unknown,
    /// An escape stands for a character other than the expected one.
    Unclear,
}

/// Cursor in a text that is compared with a link.
struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
    escaped: Option<bool>,
}

impl Cursor<'_> {
    fn peek(&self) -> Result<u8, Mismatch> {
        self.text.get(self.at).copied().ok_or(Mismatch::Unknown)
    }

    /// Checks, at a backslash, for the escape `\/`.
    fn escapes_slash(&self) -> Result<(), Mismatch> {
        match self.text.get(self.at + 1) {
            Some(b'/') => Ok(()),
            Some(_) => Err(Mismatch::Unclear),
            None => Err(Mismatch::Unknown),
        }
    }

    /// Takes an expected text, each `/` perhaps written as `\/`.
    fn take(&mut self, expected: &str, same: impl Fn(&u8, &u8) -> bool) -> Result<(), Mismatch> {
        for byte in expected.as_bytes() {
            let mut given = self.peek()?;
            let escaped = given == b'\\';
            if escaped {
                self.escapes_slash()?;
                self.at += 1;
                given = b'/';
            }
            if *byte == b'/' {
                self.escaped.get_or_insert(escaped);
            }
            if !same(&given, byte) {
                return Err(Mismatch::Yes);
            }
            self.at += 1;
        }
        Ok(())
    }
}

/// Splits an end of a link into scheme and authority, and base path; `None` for a text that cannot
/// be an end of a link.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let path = rest.find('/').unwrap_or(rest.len());
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]!$&'()*+,;=%".contains(&byte);
    let fits = known && path > 0 && !rest.ends_with('/') && rest.bytes().all(fit);
    fits.then(|| url.split_at_checked(scheme.len() + 3 + path))?
}

/// Decodes a path to bytes: each percent triplet is one byte, and so is `\/`, as JSON may write a
/// slash.
fn decoded(mut path: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (byte, rest) = match path {
            [b'\\', b'/', rest @ ..] => (b'/', rest),
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (digit(*high) << 4 | digit(*low), rest)
            }
            [byte, rest @ ..] => (*byte, rest),
            [] => return None,
        };
        path = rest;
        Some(byte)
    })
}

/// Returns the value of a hex digit.
fn digit(character: u8) -> u8 {
    char::from(character)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
        .unwrap_or_default()
}
