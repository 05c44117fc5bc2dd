//! Conflict of two different secrets in two carriers of one request: each carrier, and the kind of
//! the value.
//!
//! `docs/spec/upstreams.md` section 4. The client is told the kinds, and never shown a value.

use std::fmt;

use http::HeaderName;

/// Carrier of one request.
#[derive(Clone, Copy)]
pub(crate) enum CarrierName<'c> {
    Authorization,
    Header(&'c HeaderName),
    Parameter(&'c str),
    /// An item of `Sec-WebSocket-Protocol`.
    Subprotocol,
}

/// Writes the name as a list of faults names the carrier.
impl fmt::Display for CarrierName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization => formatter.write_str("`authorization`"),
            Self::Header(name) => write!(formatter, "`{name}`"),
            Self::Parameter(name) => write!(formatter, "the query parameter `{name}`"),
            Self::Subprotocol => formatter.write_str("`sec-websocket-protocol`"),
        }
    }
}

impl CarrierName<'_> {
    /// Returns the name for a sentence. Claude Code hides every error message that contains
    /// `x-api-key`, and shows a message of its own instead: that the key is invalid.
    fn in_words(self) -> String {
        match self {
            Self::Header(name) if name.as_str() == "x-api-key" => {
                "the header for API keys".to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// Kind of a value in a carrier, by the value's form alone: nothing is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CarrierValue {
    /// A token that begins with `mt2_`.
    SealedToken,
    /// A JWT in the form of magic tokens of version 1.
    SignedToken,
    /// A JWT that is signed in another way.
    ForeignJwt,
    /// A key of an API, a placeholder, or several values.
    NoToken,
    Nothing,
}

impl CarrierValue {
    /// Returns the kind in words, with an article.
    fn words(self) -> &'static str {
        match self {
            Self::SealedToken => "a sealed magic token",
            Self::SignedToken => "a magic token",
            Self::ForeignJwt => "a JWT that is no magic token",
            Self::NoToken => "something that is no magic token, such as an API's own key",
            Self::Nothing => "nothing",
        }
    }
}

/// Two carriers of one request, each with the kind of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict([CarrierEntry; 2]);

/// Carrier, as named in a list of faults and as named in a sentence, with the kind of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CarrierEntry {
    carrier: String,
    in_words: String,
    held: CarrierValue,
}

impl Conflict {
    /// Makes a conflict between two carriers with different values.
    pub(crate) fn between(
        first: (CarrierName<'_>, CarrierValue),
        second: (CarrierName<'_>, CarrierValue),
    ) -> Self {
        Self([first, second].map(|(carrier, held)| CarrierEntry {
            carrier: carrier.to_string(),
            in_words: carrier.in_words(),
            held,
        }))
    }

    /// Lists each carrier with the kind of its value, for machines that read lists.
    pub(crate) fn each(&self) -> Vec<String> {
        self.0.iter().map(|at| format!("{} holds {}", at.carrier, at.held.words())).collect()
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::between(
            (CarrierName::Authorization, CarrierValue::NoToken),
            (CarrierName::Parameter("key"), CarrierValue::SealedToken),
        )
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.0;
        let again = if first.held == second.held { " too, and another one" } else { "" };
        let (held, other) = (first.held.words(), second.held.words());
        write!(
            formatter,
            "{} holds {held}, {} holds {other}{again}",
            first.in_words, second.in_words
        )
    }
}
