//! The magic token that a caller presents in `Authorization`: `Bearer`, `token` (GitHub's old clients) or `Basic`.
//!
//! RFC 6750 section 2.1, RFC 7617. Two fields, or a field in two minds, are refused: doubt is denial.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::rejection::Rejection;

#[cfg(test)]
mod tests;

/// A token as it was presented: nothing about it is known yet. Never printed.
pub(crate) struct PresentedToken(Zeroizing<String>);

impl PresentedToken {
    /// Finds the token among the headers of a request.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut fields = headers.get_all(AUTHORIZATION).into_iter();
        let field = fields.next().ok_or(Rejection::NoToken)?;
        if fields.next().is_some() {
            return Err(Rejection::TokenForm);
        }
        let text = field.to_str().map_err(|_| Rejection::TokenForm)?.trim_matches([' ', '\t']);
        let (scheme, rest) = text.split_once([' ', '\t']).ok_or(Rejection::TokenForm)?;
        let rest = rest.trim_matches([' ', '\t']);
        if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token") {
            Self::new(rest)
        } else if scheme.eq_ignore_ascii_case("basic") {
            Self::from_basic(rest)
        } else {
            Err(Rejection::TokenForm)
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The password, or the user where the password is empty or `x-oauth-basic`, as git hosts have it.
    fn from_basic(encoded: &str) -> Result<Self, Rejection> {
        let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| Rejection::TokenForm)?;
        let pair = std::str::from_utf8(&decoded).map_err(|_| Rejection::TokenForm)?;
        match pair.split_once(':').ok_or(Rejection::TokenForm)? {
            (user, "" | "x-oauth-basic") => Self::new(user),
            (_, password) => Self::new(password),
        }
    }

    /// A JWS in compact form: base64url and dots, nothing else.
    fn new(text: &str) -> Result<Self, Rejection> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(Rejection::TokenForm);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}
