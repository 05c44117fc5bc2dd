//! A log line for each token minted over HTTP: the token's id, subject, end and rules. Never the
//! credential.

use magicproxy_core::{
    LongToken, MintedToken, RuleSource, TokenSpec, TokenVersion, UnverifiedToken, Weakness,
};

use super::RequestSource;
use crate::settings::CredentialCarrier;

/// The most characters of rules in the line, whole lists of rules included; the rest is cut off.
const MAX_LOGGED_RULES_CHARACTERS: usize = 400;

/// The content of the log line about a token.
#[derive(Debug)]
pub(super) struct MintRecord {
    upstream: String,
    sub: Option<String>,
    expires_at: u64,
    rules: usize,
    allows: String,
    weakness: Option<Weakness>,
}

impl MintRecord {
    /// Gathers the line from a checked mint request. Rules that hold the credential are hidden.
    pub(super) fn of(request: &TokenSpec, carrier: &CredentialCarrier) -> Self {
        let named: Vec<String> = match &request.source {
            RuleSource::Rules(rules) => rules.iter().map(ToString::to_string).collect(),
            RuleSource::Scopes(names) | RuleSource::GuardedScopes(names) => {
                names.iter().map(|name| format!("scope {}", name.as_str())).collect()
            }
        };
        let allows = named.join(", ");
        // Some APIs have the credential in the path; a pattern may escape its characters.
        let hidden = allows.replace('\\', "").contains(request.credential.expose());
        let allows = if hidden {
            "(hidden: a rule holds the credential)".to_owned()
        } else {
            shortened(&allows)
        };
        Self {
            upstream: request.upstream.as_ref().map(ToString::to_string).unwrap_or_default(),
            sub: request.subject.as_ref().map(ToString::to_string),
            expires_at: request.expires_at.0,
            rules: named.len(),
            allows,
            weakness: carrier.weakness_of(&request.credential),
        }
    }

    /// Writes the line. `from` is the mint request.
    pub(super) fn write(&self, minted: &MintedToken, from: RequestSource) {
        let token = UnverifiedToken::parse(&minted.token).ok();
        let token = token.as_ref();
        let chain = token.and_then(UnverifiedToken::chain);
        tracing::info!(
            name: "token_minted",
            target: "magicproxy::mint",
            jti = minted.id,
            sub = self.sub,
            upstream = self.upstream,
            expires_at = self.expires_at,
            rules = self.rules,
            allows = self.allows,
            peer = from.peer.map(|peer| peer.to_string()),
            client = from.client.map(|client| client.to_string()),
            request_id = %from.id,
            version = TokenVersion::V1.as_str(),
            kid = token.and_then(UnverifiedToken::kid),
            owner = token.and_then(UnverifiedToken::owner).map(tracing::field::display),
            chain = chain.map(|chain| tracing::field::display(chain.id())),
            long_token = LongToken::of(minted.token.len()).map(LongToken::name),
            weak_credential = self.weakness.map(Weakness::name),
            "minted a token"
        );
    }
}

/// Makes a single line without control characters, of bounded length.
fn shortened(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(MAX_LOGGED_RULES_CHARACTERS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_LOGGED_RULES_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{MAX_LOGGED_RULES_CHARACTERS, shortened};

    #[test]
    fn rules_are_shown_whole_up_to_a_length_and_in_one_line() {
        let whole = "é".repeat(MAX_LOGGED_RULES_CHARACTERS);
        assert_eq!(shortened(&whole), whole);
        assert_eq!(shortened(&format!("{whole}x")), format!("{whole}…"));
        assert_eq!(shortened("GET /a\n\u{1b}[31m"), "GET /a  [31m");
    }
}
