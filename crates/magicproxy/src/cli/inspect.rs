//! `inspect`: the statements of a magic token, caveat by caveat, and the verdict of our keys. Never
//! the credential, open or sealed.

mod chain;

use anyhow::Context as _;
use clap::Args;
use magicproxy_core::state::Partition;
use magicproxy_core::token::LEEWAY_SECONDS;
use magicproxy_core::{ChainId, UnixTime, UnverifiedNames, UnverifiedToken, VerifyError};
use magicproxy_proxy::clock;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

use self::chain::Chain;
use super::revoke::effect::reaching;
use super::token_argument::GivenToken;
use super::token_output::TokenCommand;
use super::{SettingsArgs, time};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::remark;
use crate::runtime::keystore::{Keys, Keystore};
use crate::runtime::revocations::RevocationFile;
use crate::runtime::settings;
use magicproxy_config::config::Config;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    given: GivenToken,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the statements of the token.
pub(crate) fn run(args: InspectArgs, environment: &Environment) -> Result<(), Failure> {
    let token = args.given.read(environment)?;
    let claims = Claims::of(&token)?;
    let config = settings::load(args.settings.into_flags(), environment)?;
    config.unchecked().iter().for_each(|line| remark(line));
    let check = CheckResult::of(&token, &claims, &config)?.unless_revoked(&token, &config)?;
    if args.json {
        output::print_json(&claims.to_json(&check))?;
    } else {
        output::print(&claims.describe(&check, clock::now()))?;
    }
    match check.accepted {
        Some(false) => Err(Failure::NotAccepted),
        Some(true) | None => Ok(()),
    }
}

/// The statements of a token about itself. Nothing is proved.
#[derive(Debug)]
pub(super) struct Claims {
    version: &'static str,
    kid: Option<String>,
    members: Map<String, Value>,
    chain: Chain,
    chain_id: Option<ChainId>,
    owner: Option<Partition>,
    /// The token's name in logs: its `jti`, or a digest of a token without `jti`.
    id: Option<String>,
}

/// The verdict of the keys at hand on a token.
#[derive(Debug)]
pub(super) struct CheckResult {
    signature: &'static str,
    /// True if a proxy with these keys and this configuration would accept the token; unknown
    /// without a key.
    accepted: Option<bool>,
    /// The reason for a refusal, or for an unknown verdict.
    pub(super) refused: Option<String>,
    /// The key at hand that signed the token, also of a token that names no key.
    key: Option<String>,
}

impl CheckResult {
    fn of(token: &str, claims: &Claims, config: &Config) -> Result<Self, Failure> {
        if let Some(keys) = Keystore::of(&config.keys).open_if_there()? {
            return Self::by(&keys, token, config);
        }
        if claims.end().is_some_and(|end| is_over(end, clock::now())) {
            return Ok(Self::refused("not checked", VerifyError::Expired.to_string()));
        }
        let reason = format!(
            "there is no key at `{}` to check it with",
            config.keys.files.private.display()
        );
        Ok(Self { signature: "not checked", accepted: None, refused: Some(reason), key: None })
    }

    /// Checks a token with keys.
    pub(super) fn by(keys: &Keys, token: &str, config: &Config) -> Result<Self, Failure> {
        let claims = Claims::of(token)?;
        let aud = claims.members.get("aud").and_then(Value::as_str);
        let named = config.upstream_named(aud);
        // The rules of a token for another upstream are read as for any upstream.
        let upstream = named
            .as_ref()
            .ok()
            .copied()
            .or_else(|| config.upstreams.first().map(|upstream| &**upstream));
        let upstream = upstream.context("the configuration has no upstream")?;
        let now = clock::now();
        let names = UnverifiedToken::parse(token)
            .ok()
            .and_then(|token| UnverifiedNames::of(&token, Some(&keys.ring)));
        let key = names.and_then(|names| names.names().key.map(harmless));
        let check = match keys.ring.verify(token, &Config::verify_context(upstream, now)) {
            // A caveat may have ended the token.
            Ok(token) if is_over(token.expires_at(), now) => {
                Self::refused("valid", VerifyError::Expired.to_string())
            }
            Ok(_) => {
                named.err().map_or_else(Self::accepted, |reason| Self::refused("valid", reason))
            }
            Err(error) => {
                let signature = match &error {
                    VerifyError::UnknownKey(_)
                    | VerifyError::RetiredKey
                    | VerifyError::Version(_) => "not checked",
                    VerifyError::Signature
                    | VerifyError::Seal
                    | VerifyError::Tag
                    | VerifyError::Minter
                    | VerifyError::Malformed
                    | VerifyError::OldForm
                    | VerifyError::TooLong
                    | VerifyError::Header => "not valid",
                    _ => "valid",
                };
                Self::refused(signature, error.to_string())
            }
        };
        Ok(Self { key, ..check })
    }

    fn accepted() -> Self {
        Self { signature: "valid", accepted: Some(true), refused: None, key: None }
    }

    fn refused(signature: &'static str, reason: String) -> Self {
        Self { signature, accepted: Some(false), refused: Some(reason), key: None }
    }

    /// Describes the verdict in words.
    fn describe(&self) -> String {
        let word = match self.accepted {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not checked",
        };
        self.refused
            .as_ref()
            .map_or_else(|| word.to_owned(), |reason| format!("{word}: {}", harmless(reason)))
    }
}

fn is_over(end: UnixTime, now: UnixTime) -> bool {
    now.0 >= end.0.saturating_add(LEEWAY_SECONDS)
}

impl CheckResult {
    /// Refuses a token revoked by the file of revocations; a store shared by proxies is not asked.
    fn unless_revoked(self, token: &str, config: &Config) -> anyhow::Result<Self> {
        let Some(file) = config.revocations.file.clone().filter(|_| self.refused.is_none()) else {
            return Ok(self);
        };
        let known = RevocationFile(file).read()?;
        let keys = Keystore::of(&config.keys).open_if_there().ok().flatten();
        let refused = reaching(token, keys.as_ref(), &known, clock::now())
            .first()
            .map(|revoked| format!("revoked, `{}`", revoked.name()));
        let Some(reason) = refused else { return Ok(self) };
        Ok(Self { key: self.key, ..Self::refused("valid", reason) })
    }
}

impl Claims {
    /// Reads a token without verifying it.
    pub(super) fn of(token: &str) -> Result<Self, Failure> {
        let token = UnverifiedToken::parse(token).context("token")?;
        let members = token.claims_for_display().and_then(|claims| claims.as_object().cloned());
        let members = members.context("the token's claims are not a JSON object")?;
        let (version, chain) = match &token {
            UnverifiedToken::V1(_) => ("v1", Chain::of_json(members.get("caveats"))),
            UnverifiedToken::V2(token) => ("v2", Chain::of_parts(token.caveats())),
        };
        let (chain_id, owner) = (token.chain().map(|chain| chain.id()), token.owner());
        let id = token.id().as_deref().map(harmless);
        Ok(Self { version, id, kid: token.kid().map(harmless), members, chain, chain_id, owner })
    }

    /// Returns the key named by the token, or else the key at hand that signed it: the key by which
    /// to revoke the token.
    fn key<'t>(&'t self, check: &'t CheckResult) -> Option<&'t str> {
        self.kid.as_deref().or(check.key.as_deref())
    }

    /// Returns the end of the token, by its claims and its caveats.
    pub(super) fn end(&self) -> Option<UnixTime> {
        self.chain.ends().into_iter().chain(self.time("exp")).min()
    }

    /// Returns the end of the token as minted, by its claims alone.
    pub(super) fn minted_until(&self) -> Option<UnixTime> {
        self.time("exp")
    }

    fn time(&self, name: &str) -> Option<UnixTime> {
        self.members.get(name)?.as_u64().map(UnixTime)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.members.get(name)?.as_str().map(harmless)
    }

    /// Returns the rules as written, one to a line.
    fn rules(&self) -> Vec<String> {
        let rules = self.members.get("allowed").and_then(Value::as_array);
        rules.map(|rules| rules.iter().map(chain::rule).collect()).unwrap_or_default()
    }

    fn scopes(&self) -> Vec<String> {
        let names = self.members.get("scopes").and_then(Value::as_array);
        names
            .map(|names| names.iter().filter_map(Value::as_str).map(harmless).collect())
            .unwrap_or_default()
    }

    /// Returns the names of claims unknown to this version. Never their values, because a value
    /// could be anything.
    fn unknown(&self) -> Vec<String> {
        const KNOWN: [&str; 13] = [
            "iat", "exp", "nbf", "allowed", "scopes", "jti", "aud", "explain", "kid", "kem", "sub",
            "minter", "caveats",
        ];
        self.members
            .keys()
            .filter(|name| !KNOWN.contains(&name.as_str()))
            .map(|name| harmless(name))
            .collect()
    }

    /// Returns the time at which the token claims to be minted; for a narrowed token, the minting
    /// of its first ancestor.
    pub(super) fn issued_at(&self) -> UnixTime {
        self.time("iat").unwrap_or(UnixTime(0))
    }

    /// Describes a new token in one line: id and chain, by which it is found in the log and
    /// revoked; expiry and time left from `now` on; upstream, holders, rules.
    pub(super) fn summary(&self, by: TokenCommand, now: UnixTime) -> String {
        let id = self.id.as_deref().unwrap_or("without id");
        let chain = self.chain_id.map(|chain| format!(" (chain:{chain})")).unwrap_or_default();
        let allows = match (self.rules().as_slice(), self.scopes().as_slice()) {
            ([], scopes) => format!("allows scope {}", scopes.join(", ")),
            (rules, _) if rules.len() <= 3 => format!("allows {}", rules.join(", ")),
            (rules, _) => format!(
                "allows {} and {} more",
                rules.first().map_or("", String::as_str),
                rules.len() - 1
            ),
        };
        let expiry = self.end().map_or_else(String::new, |end| {
            format!("expires {} ({})", time::date(end), time::distance(end, now))
        });
        let narrowed = match self.chain.len() {
            0 => String::new(),
            1 => ", less what its caveat takes".to_owned(),
            count => format!(", less what its {count} caveats take"),
        };
        let upstream = self.text("aud").map(|name| format!(", for `{name}`")).unwrap_or_default();
        let sub = self.labels().map(|names| format!(", held by {names}")).unwrap_or_default();
        format!("{} {id}{chain}: {expiry}{upstream}{sub}, {allows}{narrowed}", by.verb())
    }

    /// Returns the labels of the claims and of the caveats as the log shows them, joined by `>`;
    /// `None` without any.
    fn labels(&self) -> Option<String> {
        let given = self.chain.labels();
        match (self.text("sub"), given.is_empty()) {
            (None, true) => None,
            (first, _) => {
                let first = first.unwrap_or_else(|| "-".to_owned());
                Some([vec![first], given].concat().join(">"))
            }
        }
    }

    /// Describes a new token for machines.
    pub(super) fn to_made_json(&self) -> Map<String, Value> {
        let claim = |name: &str| self.members.get(name).cloned().unwrap_or_default();
        let members = [
            ("version", json!(self.version)),
            ("jti", claim("jti")),
            ("chain", json!(self.chain_id.map(|chain| chain.to_string()))),
            ("owner", json!(self.owner.map(|owner| owner.to_string()))),
            ("kid", json!(self.kid)),
            ("exp", json!(self.end().map(|end| end.0))),
            ("aud", claim("aud")),
            ("sub", claim("sub")),
            ("rules", claim("allowed")),
            ("scopes", claim("scopes")),
            ("caveats", self.chain.to_json()),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn describe(&self, check: &CheckResult, now: UnixTime) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<10} {value}");
        };
        let moment =
            |time: UnixTime| format!("{} ({})", time::date(time), time::distance(time, now));
        line("accepted", &check.describe());
        line("id", self.id.as_deref().unwrap_or("(none)"));
        if let Some(chain) = self.chain_id {
            line("chain", &format!("chain:{chain}"));
        }
        if let Some(owner) = self.owner {
            line("owner", &format!("owner:{owner}"));
        }
        line("signature", check.signature);
        line("version", self.version);
        line("key", self.key(check).unwrap_or("(not named)"));
        for (name, claim) in [("seal", "kem"), ("minter", "minter"), ("for", "sub")] {
            if let Some(text) = self.text(claim) {
                line(name, &text);
            }
        }
        line("upstream", &self.text("aud").unwrap_or_else(|| "(not named)".to_owned()));
        for (name, claim) in [("minted", "iat"), ("begins", "nbf"), ("expires", "exp")] {
            if let Some(time) = self.time(claim) {
                line(name, &moment(time));
            }
        }
        self.rules().iter().for_each(|rule| line("allows", rule));
        self.scopes().iter().for_each(|scope| line("scope", scope));
        if self.members.get("explain").and_then(Value::as_bool) == Some(true) {
            line("explain", "yes: refusals say which rule would be needed");
        }
        self.unknown().iter().for_each(|name| line("unknown", name));
        self.chain.describe(&mut text, self.time("exp"), now);
        text
    }

    fn to_json(&self, check: &CheckResult) -> Value {
        let claim = |name: &str| self.members.get(name).cloned().unwrap_or_default();
        json!({
            "version": self.version,
            "id": self.id,
            "chain": self.chain_id.map(|chain| chain.to_string()),
            "owner": self.owner.map(|owner| owner.to_string()),
            "kid": self.key(check),
            "accepted": check.accepted,
            "reason": check.refused,
            "signature": check.signature.replace(' ', "_"),
            "upstream": claim("aud"),
            "issued_at": claim("iat"),
            "not_before": claim("nbf"),
            "expires_at": claim("exp"),
            "allowed": claim("allowed"),
            "scopes": claim("scopes"),
            "explain": self.members.get("explain").and_then(Value::as_bool).unwrap_or(false),
            "sub": claim("sub"),
            "kem": claim("kem"),
            "minter": claim("minter"),
            "caveats": self.chain.to_json(),
            "unknown_claims": self.unknown(),
        })
    }
}

#[cfg(test)]
mod tests {
    use magicproxy_core::Caveat;

    use super::*;

    /// A token that lives a day and was narrowed to a quarter of an hour when it was twenty hours
    /// old, in both versions. The summary tells the time left from now on, not the time from the
    /// first minting to the end.
    #[test]
    fn the_summary_counts_from_now() {
        let (minted, now) = (1_789_999_990_u64, UnixTime(1_790_071_990));
        let v1 = |caveats: Value| {
            let members = json!({ "iat": minted, "exp": minted + 86_400, "allowed": ["GET /user"], "caveats": caveats });
            let members = members.as_object().cloned().unwrap_or_default();
            Claims {
                version: "v1",
                kid: None,
                id: None,
                chain_id: None,
                owner: None,
                chain: Chain::of_json(members.get("caveats")),
                members,
            }
        };
        let ends = UnixTime(now.0 + 900);
        let summary = v1(json!([{ "exp": ends }])).summary(TokenCommand::Mint, now);
        assert!(summary.contains("(in 15m)"), "{summary}");
        let whole = v1(json!([]));
        assert!(whole.summary(TokenCommand::Mint, now).contains("(in 4h)"));
        assert!(whole.summary(TokenCommand::Mint, whole.issued_at()).contains("(in 1d)"));

        // A token from the vectors that ends an hour after `minted`, narrowed to 50 s when half of
        // the hour is over.
        let vectors: Value =
            serde_json::from_str(include_str!("../../../../testdata/vectors/token-v2.json"))
                .unwrap();
        let (v2, now) = (vectors["cases"][0]["token"].as_str().unwrap(), UnixTime(minted + 1_800));
        let narrowed =
            Caveat { exp: Some(UnixTime(now.0 + 50)), ..Caveat::default() }.append_to(v2).unwrap();
        let summary = Claims::of(&narrowed).unwrap().summary(TokenCommand::Mint, now);
        assert!(summary.contains("(in 50s)"), "{summary}");
    }

    /// Tokens of the Python program have no `jti`; logs name them all the same, and `revoke jti:`
    /// takes the name.
    #[test]
    fn a_token_without_an_id_is_called_as_logs_call_it() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../../testdata/vectors/token-v1.json"))
                .unwrap();
        let python = vectors["cases"]
            .as_array()
            .unwrap()
            .iter()
            .find(|case| case["name"] == "as the Python program writes it");
        let claims = Claims::of(python.unwrap()["token"].as_str().unwrap()).unwrap();
        assert_eq!(claims.text("jti"), None);
        let id = claims.id.clone().unwrap();
        let told = claims.describe(&CheckResult::accepted(), UnixTime(1_790_000_000));
        assert!(id.len() == 22 && told.contains(&format!("id         {id}\n")), "{id}: {told}");
        assert_eq!(claims.to_json(&CheckResult::accepted())["id"], id);
    }
}
