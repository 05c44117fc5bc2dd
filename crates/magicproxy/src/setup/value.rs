//! Values with places: known texts are filled in at once, the token's place is filled later.

use magicproxy_core::armoured;
use zeroize::Zeroizing;

use super::shell::{ONLY_TOKEN, TOKEN_VARIABLE, posix_quoted};
use super::target::Target;

/// A text with places for the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value(Vec<Piece>);

/// A piece of a [`Value`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Token,
    /// The token, of version 1 in the armoured spelling: for clients that show a token up to its
    /// last `_`.
    ArmouredToken,
}

impl Piece {
    /// True for the token in either spelling.
    pub(crate) fn is_token(&self) -> bool {
        matches!(self, Self::Token | Self::ArmouredToken)
    }
}

/// The sources of the places of a template.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateSources<'a> {
    pub(crate) target: &'a Target,
    pub(crate) token_file: Option<&'a str>,
}

impl Value {
    /// Makes a value without places.
    pub(crate) fn text(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Makes a value of the token alone.
    pub(crate) fn token() -> Self {
        Self(vec![Piece::Token])
    }

    /// Fills a template in. The places are `{api}`, `{authority}`, `{origin}`, `{socket}`,
    /// `{socket_json}`, `{git_helper}`, `{token}` and `{armoured_token}`; other braces are text.
    pub(crate) fn fill(template: &str, places: &TemplateSources<'_>) -> Self {
        let mut value = Self(Vec::new());
        let mut rest = template;
        while let Some((before, name, after)) = next_brace(rest) {
            value.push(before);
            match name {
                "token" => value.0.push(Piece::Token),
                "armoured_token" => value.0.push(Piece::ArmouredToken),
                name => match places.of(name) {
                    Some(text) => value.push(&text),
                    None => {
                        // No place: the brace is text, and a place may follow.
                        value.push("{");
                        rest = rest.get(before.len() + 1..).unwrap_or_default();
                        continue;
                    }
                },
            }
            rest = after;
        }
        value.push(rest);
        value
    }

    /// Returns the pieces in order, never two texts beside each other.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Fills the token into its places.
    pub(crate) fn with_token(&self, token: &str) -> Zeroizing<String> {
        // `None` for a sealed token, and for the name of a variable in the token's stead.
        let armoured = self.0.contains(&Piece::ArmouredToken).then(|| armoured(token)).flatten();
        let armoured = armoured.as_ref().map_or(token, |text| text.as_str());
        let texts = || {
            self.0.iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Token => token,
                Piece::ArmouredToken => armoured,
            })
        };
        // With room from the start: growing would leave half-filled copies behind.
        let mut filled = Zeroizing::new(String::with_capacity(texts().map(str::len).sum()));
        texts().for_each(|text| filled.push_str(text));
        filled
    }

    /// True if the value holds the token in the armoured spelling.
    pub(crate) fn is_armoured(&self) -> bool {
        self.0.contains(&Piece::ArmouredToken)
    }

    /// Fills the name of the token's variable into the token's places.
    pub(crate) fn without_token(&self) -> String {
        self.with_token(&format!("${TOKEN_VARIABLE}")).as_str().to_owned()
    }

    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }
}

impl TemplateSources<'_> {
    fn of(&self, name: &str) -> Option<String> {
        let target = self.target;
        let socket = || target.unix_socket.clone().unwrap_or_default();
        Some(match name {
            "api" => target.api(),
            "authority" => target.public_url.authority().to_owned(),
            "origin" => target.origin(),
            "host" => target.origin().split("//").nth(1).unwrap_or_default().to_owned(),
            "socket" => socket(),
            "socket_json" => serde_json::Value::from(socket()).to_string(),
            "git_helper" => git_helper(self.token_file),
            _ => return None,
        })
    }
}

/// Writes a credential helper of git (gitcredentials(7)): a line of sh that reads the token when
/// git needs a password, so that the token is in no process's arguments or environment, and a
/// renewed token counts at once. Only the token is read, from the first line of the file.
fn git_helper(token_file: Option<&str>) -> String {
    let response = r#"printf 'username=x-access-token\npassword=%s\n'"#;
    let get = r#"test "$1" = get"#;
    match token_file {
        Some(path) => {
            let path = posix_quoted(path);
            format!(
                r#"!f() {{ {get} && {response} "$(head -n 1 <{path} | LC_ALL=C {ONLY_TOKEN})"; }}; f"#
            )
        }
        None => format!(r#"!f() {{ {get} && {response} "${TOKEN_VARIABLE}"; }}; f"#),
    }
}

/// Splits a text into the part before the first `{`, the part up to the next `}`, and the rest.
fn next_brace(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}').unwrap_or((rest, ""));
    Some((before, name, after))
}
