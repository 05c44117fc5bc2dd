//! `narrow`: makes a weaker token from a token. Version 2 needs nothing but the token, version 1
//! its proxy.

use anyhow::Context as _;
use clap::Args;
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::limit::Limit;
use magicproxy_core::{
    Caveat, Label, NarrowError, Network, ParseCaveatError, PatternMode, Policy, RawRule, Rule,
    Sender, UnixTime, UnverifiedToken, UpstreamName,
};
use magicproxy_proxy::clock;
use serde_json::json;
use zeroize::Zeroizing;

use super::remade::NewTokenArgs;
use super::token_argument::GivenToken;
use super::token_output::TokenCommand;
use super::typed_rule;
use crate::client::Peer;
use crate::ground::failure::Failure;
use crate::ground::output::note;
use crate::runtime::wire;
use magicproxy_config::config::parse_duration;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
#[command(mut_arg("proxy", |proxy| proxy.help("Have this proxy do it: what a token of version 1 needs")))]
pub(crate) struct NarrowArgs {
    #[command(flatten)]
    given: GivenToken,
    #[command(flatten)]
    caveat: CaveatArgs,
    #[command(flatten)]
    remade: NewTokenArgs,
}

/// The restrictions of the new token.
#[derive(Debug, Default, Args)]
struct CaveatArgs {
    /// Allow only requests by these rules (in the forms of `mint --allow`), as far as the token
    /// allows them; repeatable
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,
    /// End after this time, if the token does not end before: `15m`
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Begin after this time
    #[arg(long, value_name = "DURATION")]
    starts_in: Option<String>,
    /// Name of the upstream, where the token should go to no other
    #[arg(long, value_name = "NAME")]
    aud: Option<String>,
    /// Name of the new holder in the log
    #[arg(long, value_name = "LABEL")]
    sub: Option<String>,
    /// Limit on the requests with the token: `requests=100/1h`, `total=3` or `concurrent=2`; such a
    /// token needs a proxy with a store
    #[arg(long, value_name = "LIMIT")]
    limit: Option<Limit>,
    /// Network that requests must come from, such as 192.0.2.0/24; repeatable
    #[arg(long, value_name = "CIDR")]
    sender: Vec<String>,
}

/// Narrows, and prints the token.
pub(crate) fn run(args: &NarrowArgs, environment: &Environment) -> Result<(), Failure> {
    args.remade.check()?;
    let token = args.given.read(environment)?;
    let now = clock::now();
    let caveat = args.caveat.caveat(now).map_err(Failure::Usage)?;
    let parsed = UnverifiedToken::parse(&token).context("token")?;
    ensure_something_is_left(&parsed, &caveat)?;
    let narrowed = match (args.remade.peer()?, &parsed) {
        (Some(peer), _) => at_proxy(&peer, &token, &caveat)?,
        (None, UnverifiedToken::V2(of)) => {
            if let Some(name) = caveat.aud.as_ref().filter(|name| **name != of.claims().aud) {
                note(&format!(
                    "not checked: whether `{name}` is another name of the upstream `{}`, which the token is for: if not, nothing is left",
                    of.claims().aud
                ));
            }
            caveat.append_to(&token).map_err(refused)?
        }
        (None, UnverifiedToken::V1(_)) => {
            return Err(Failure::usage(
                "only its proxy can narrow a token of version 1: name it (--proxy URL)",
            ));
        }
    };
    if caveat.limit.is_some()
        && matches!(&parsed, UnverifiedToken::V2(token) if !token.names_minter())
    {
        note(NEEDS_MINTER);
    }
    args.remade.give(&narrowed, TokenCommand::Narrow, now)
}

impl CaveatArgs {
    fn caveat(&self, now: UnixTime) -> Result<Caveat, Vec<String>> {
        let mut faults = Vec::new();
        let mut rules = Vec::new();
        for text in &self.allow {
            // In the object form, so that every proxy that reads the token understands the rules.
            let rule = typed_rule::read(text).map(|rule| rule.to_object_form().unwrap_or(rule));
            rule.map_or_else(|fault| faults.push(fault), |rule| rules.push(rule));
        }
        let mut moment = |name: &str, text: &Option<String>| {
            let duration = text.as_deref().map(parse_duration).transpose();
            let duration = duration
                .map_err(|expected| faults.push(format!("{name}: {expected}")))
                .ok()
                .flatten();
            duration.map(|after| UnixTime(now.0.saturating_add(after.as_secs())))
        };
        let (exp, nbf) =
            (moment("--expires-in", &self.expires_in), moment("--starts-in", &self.starts_in));
        let aud = self.aud.as_deref().map(|name| {
            UpstreamName::parse(name).ok_or_else(|| format!("--aud `{name}`: this is no name"))
        });
        let aud = aud.transpose().map_err(|fault| faults.push(fault)).ok().flatten();
        let sub = self.sub.as_deref().map(|text| {
            Label::parse(text).ok_or_else(|| format!("--sub `{}`: {LABEL}", harmless(text)))
        });
        let sub = sub.transpose().map_err(|fault| faults.push(fault)).ok().flatten();
        let mut cidr = Vec::new();
        for text in &self.sender {
            match Network::parse(text) {
                Some(network) => cidr.push(network),
                None => faults.push(format!(
                    "--sender `{}`: expected a network such as `192.0.2.0/24`, without host bits; one address is `192.0.2.7/32`",
                    harmless(text)
                )),
            }
        }
        let caveat = Caveat {
            limit: self.limit,
            allowed: (!rules.is_empty()).then_some(rules),
            exp,
            nbf,
            aud,
            sub,
            sender: (!cidr.is_empty()).then_some(Sender { cidr }),
            from: None,
        };
        if faults.is_empty() {
            return match caveat.check() {
                Ok(()) => Ok(caveat),
                Err(ParseCaveatError::Empty) => Err(vec![
                    "say what the new token may do less: --allow, --expires-in, --sender, …"
                        .to_owned(),
                ]),
                Err(error) => Err(vec![error.to_string()]),
            };
        }
        Err(faults)
    }
}

/// The warning about a limit, or about rules with state, in a token that anyone could have minted.
pub(super) const NEEDS_MINTER: &str = "warning: no minter signs this token, and a proxy keeps nothing for such: where it is to count or to record \
                                       something, it refuses (`unlisted_minter`), unless its operator says `state.unlisted_minters = \"accept\"`";

/// The expected form of a label.
pub(super) const LABEL: &str =
    "expected 1 to 128 characters of visible ASCII without `\"`, `\\`, `>` and `,`";

fn refused(error: NarrowError) -> Failure {
    match error {
        NarrowError::Rules(faults) => {
            Failure::Usage(faults.iter().map(|fault| format!("--allow: {fault}")).collect())
        }
        error => anyhow::Error::new(error).into(),
    }
}

/// Warns of rules beside everything that the token allows, and refuses a token without any
/// effective rule: a caveat gives nothing.
fn ensure_something_is_left(token: &UnverifiedToken<'_>, caveat: &Caveat) -> Result<(), Failure> {
    let parse = |rules: &[RawRule]| Rule::parse_list(rules, PatternMode::Whole);
    let Some(written) = &caveat.allowed else { return Ok(()) };
    let rules = Rule::parse_new_list(written, PatternMode::Whole)
        .map_err(|faults| refused(NarrowError::Rules(faults)))?;
    warn_of_vain(&rules);
    let mut futile = vec![false; rules.len()];
    for list in lists(token) {
        // Rules unreadable here (a scope, a rule of another version) are left to the proxy.
        let Ok(parents) = parse(&list) else { continue };
        Policy::futile(&rules, &parents)
            .into_iter()
            .filter_map(|at| futile.get_mut(at).map(|futile| *futile = true))
            .for_each(drop);
    }
    if futile.iter().all(|futile| *futile) {
        return Err(Failure::usage(
            "nothing would be left: the token allows none of these requests (`magicproxy inspect` shows what it allows)",
        ));
    }
    for (rule, _) in written.iter().zip(futile).filter(|(_, futile)| *futile) {
        note(&format!(
            "warning: the token allows nothing of `{}`, and so will the new one",
            harmless(&rule.to_string())
        ));
    }
    Ok(())
}

/// Warns of rules that another rule of their list makes vain.
pub(super) fn warn_of_vain(rules: &[Rule]) {
    for vain in Policy::vain(rules) {
        note(&format!("warning: {}", harmless(&vain.to_string())));
    }
}

/// Returns the lists of rules in the token's claims and caveats.
fn lists(token: &UnverifiedToken<'_>) -> Vec<Vec<RawRule>> {
    let claims = token.claims_for_display().unwrap_or_default();
    let caveats = match token {
        UnverifiedToken::V1(_) => {
            serde_json::from_value(claims.get("caveats").cloned().unwrap_or_default())
                .unwrap_or_default()
        }
        UnverifiedToken::V2(token) => token.caveats().unwrap_or_default(),
    };
    let own: Option<Vec<RawRule>> =
        claims.get("allowed").and_then(|rules| serde_json::from_value(rules.clone()).ok());
    own.into_iter().chain(caveats.into_iter().filter_map(|caveat: Caveat| caveat.allowed)).collect()
}

fn at_proxy(peer: &Peer, token: &str, caveat: &Caveat) -> Result<Zeroizing<String>, Failure> {
    let mint_request = json!({ "caveat": caveat }).to_string();
    ask(peer, "/__magictoken/narrow", token, Bytes::from(mint_request))
}

/// Asks a proxy to make a token from this token.
pub(super) fn ask(
    peer: &Peer,
    path: &str,
    token: &str,
    body: Bytes,
) -> Result<Zeroizing<String>, Failure> {
    let request = Request::post("/")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::new(body))
        .context("the token cannot stand in a header")?;
    let response = wire::runtime()?.block_on(peer.send(path, request))?;
    Ok(Zeroizing::new(response.content("application/jwt")?.trim().to_owned()))
}
