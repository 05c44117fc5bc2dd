//! `explain`: the proxy's decision on a request, and its reasons. Made by the gate's own functions,
//! or by a running proxy.

mod headers;
mod own;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use http::Request;
use http::uri::Authority;
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::{
    AccessRequest, DecisionSteps, Denial, KeyRing, Method, Policy, RequestTarget, VerifiedToken,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::header::{FieldVerdict, RequestFields};
use magicproxy_proxy::router::{Route, Router};
use magicproxy_proxy::services::RevocationList;
use magicproxy_proxy::settings::UpstreamSettings;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asking::AskingArgs;
use super::{SettingsArgs, revoked, secret};
use crate::client::{Peer, ProxyResponse};
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::remark;
use crate::runtime::keystore::Keystore;
use crate::runtime::{settings, wire};
use magicproxy_config::config::Config;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::scheme::is_loopback_host;
use magicproxy_config::ground::text::harmless;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The token: `@FILE`, `-` for standard input, `env:NAME`, or itself
    token: String,
    /// The method, in upper case
    method: String,
    /// A URL of the proxy or of the API (of its preset, too), or a path: below a mount, or of the
    /// API that the token is for
    url: String,
    /// Ask a running proxy instead of deciding with the private key; it says what would be needed
    /// only for tokens minted with `--explain`
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
    /// The address that the request comes from, for tokens that bind their sender
    #[arg(long, value_name = "ADDRESS", conflicts_with = "proxy")]
    sender: Option<IpAddr>,
    /// A header that the request would have: would it reach the API? Its name only; may be repeated
    #[arg(long = "header", value_name = "NAME")]
    headers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the decision; exit code 3 for a refusal.
pub(crate) fn run(args: ExplainArgs, environment: &Environment) -> Result<(), Failure> {
    let token = secret::from_argument(&args.token, environment)?;
    let config = settings::load(args.settings.into_flags(), environment)?;
    let root =
        args.proxy.as_deref().and_then(|proxy| below(&args.url, proxy.trim_end_matches('/')));
    // A running proxy finds the route of the request itself.
    let root = root.or_else(|| {
        Some(args.url.as_str()).filter(|url| args.proxy.is_some() && url.starts_with('/'))
    });
    let asked = match (root, config.upstreams.first()) {
        (Some(target), Some(any)) => ProxiedRequest { upstream: any, target: target.to_owned() },
        _ => ProxiedRequest::of(&args.url, &token, &config).map_err(Failure::usage)?,
    };
    let ProxiedRequest { upstream, target } = &asked;
    let headers = headers::Headers::new(&args.headers);
    let question = Question {
        token: &token,
        method: &args.method,
        target,
        upstream,
        sender: args.sender,
        config: &config,
    };
    let verdict = match &args.proxy {
        Some(url) => question.ask(&args.asking.peer_for_secrets(url)?, &headers)?,
        None => {
            config.unchecked().iter().for_each(|line| remark(line));
            let keys = Keystore::of(&config.keys).open()?;
            let verdict =
                question.decide(&keys.ring, &revoked::in_force_here(&config.revocations)?);
            headers.decide(verdict, &RequestFields::of(upstream, &config.upstreams))
        }
    };
    let asked = format!("{} {}", harmless(&args.method), harmless(&asked.target));
    if args.json {
        output::print_json(&verdict.to_json())?;
    } else {
        output::print(&format!(
            "{}{}",
            verdict.describe(&asked),
            headers.describe(verdict.headers.as_deref())
        ))?;
    }
    if verdict.refusal.is_some() { Err(Failure::Denied) } else { Ok(()) }
}

/// The request that a URL stands for at the proxy, not yet judged.
struct ProxiedRequest<'c> {
    upstream: &'c UpstreamSettings,
    target: String,
}

impl<'c> ProxiedRequest<'c> {
    fn of(url: &str, token: &str, config: &'c Config) -> Result<Self, String> {
        let url = url.split('#').next().unwrap_or_default();
        let router = Router::new(&config.upstreams);
        let route = if url.starts_with('/') {
            own::place_of_path(&router, url, own::upstream_of(token, config), config)
        } else {
            Self::route(&router, url, config)?
        };
        let route = route.ok_or_else(|| format!("`{url}`: no upstream is found there"))?;
        let upstream =
            config.upstreams.get(route.upstream.place()).ok_or("there is no upstream")?;
        Ok(Self { upstream, target: route.target.into_owned() })
    }

    /// Finds the route of a URL: of an API, of the proxy, or of this machine, taken for a proxy
    /// here on whatever port.
    fn route<'u>(
        router: &Router,
        url: &'u str,
        config: &Config,
    ) -> Result<Option<Route<'u>>, String> {
        let public = config.public_access().url;
        let (authority, rest) = split(url)
            .ok_or_else(|| format!("`{url}`: expected a path that begins with `/`, or a URL with `http://` or `https://`"))?;
        let by_name = router.route(authority, rest, None).filter(|route| !route.is_mounted());
        if let Some(route) = by_name {
            return Ok(Some(route));
        }
        if let Some(rest) = below(url, &public).or_else(|| on_this_machine(url, config)) {
            return Ok(router.route("", rest, None));
        }
        if let Some(route) = own::place_by_preset(router, authority, rest, config) {
            return Ok(Some(route));
        }
        let apis: Vec<String> =
            config.upstreams.iter().map(|upstream| format!("`{}`", upstream.api_root)).collect();
        Err(format!("`{url}`: expected a path, or a URL below {} or `{public}`", apis.join(", ")))
    }
}

/// Splits a URL into its authority and the rest.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some((rest.get(..end)?, rest.get(end..)?))
}

/// Returns the part of a URL below a root. Nothing is normalised: the proxy judges the very bytes.
fn below<'u>(url: &'u str, root: &str) -> Option<&'u str> {
    let (head, rest) = url.split_at_checked(root.len())?;
    let rest = if rest.is_empty() { "/" } else { rest };
    (head.eq_ignore_ascii_case(root) && rest.starts_with(['/', '?'])).then_some(rest)
}

fn on_this_machine<'u>(url: &'u str, config: &Config) -> Option<&'u str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.parse::<Authority>().ok()?.host().trim_matches(['[', ']']).to_owned();
    let ours = is_loopback_host(&host)
        || config.listeners.iter().any(|listener| listener.listen.host() == host);
    ours.then(|| below(rest, authority)).flatten()
}

const STATE_NEEDS_MINTER: &str = "the proxy keeps nothing for tokens that anyone can mint: this needs a token that one of its minters signed \
                                  (or `state.unlisted_minters = \"accept\"`)";

struct Question<'a> {
    token: &'a str,
    method: &'a str,
    target: &'a str,
    upstream: &'a UpstreamSettings,
    sender: Option<IpAddr>,
    config: &'a Config,
}

/// The decision and its reasons.
#[derive(Debug, Default)]
struct Verdict {
    /// The rule that allows the request.
    rule: Option<String>,
    /// The code and the reason of a refusal.
    refusal: Option<(String, String)>,
    /// The rules that would allow the request.
    needed: Vec<String>,
    /// The rules of the token.
    rules: Vec<String>,
    /// The verdicts on the headers of `--header`, if any were given and the proxy judges headers.
    headers: Option<Vec<FieldVerdict>>,
    /// The upstream, if found here.
    upstream: Option<String>,
    /// The names of the plugins that the proxy would ask and `explain` does not, as far as known.
    plugins: Option<Vec<String>>,
}

impl Verdict {
    fn refused(code: &str, reason: impl ToString) -> Self {
        Self { refusal: Some((code.to_owned(), reason.to_string())), ..Self::default() }
    }

    /// Reads the proxy's response: its explanation, or the problem in place of an explanation, a
    /// refusal too.
    fn of_response(response: &ProxyResponse) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct ExplainBody {
            #[serde(default)]
            decision: String,
            rule: Option<String>,
            code: Option<String>,
            #[serde(alias = "detail")]
            reason: Option<String>,
            #[serde(default)]
            needed: Vec<String>,
            headers: Option<Vec<FieldVerdict>>,
            plugins: Option<Vec<String>>,
        }
        let told: ExplainBody =
            serde_json::from_str(&response.body).map_err(|_| response.fault())?;
        if told.decision.is_empty() && told.code.is_none() {
            return Err(response.fault());
        }
        let refusal = (told.decision != "allowed")
            .then(|| (told.code.unwrap_or_default(), told.reason.unwrap_or_default()));
        Ok(Self {
            rule: told.rule,
            refusal,
            needed: told.needed,
            headers: told.headers,
            plugins: told.plugins,
            ..Self::default()
        })
    }
}

impl Question<'_> {
    fn ask(&self, proxy: &Peer, headers: &headers::Headers) -> anyhow::Result<Verdict> {
        let question =
            headers.put_in(json!({ "method": self.method, "target": self.target })).to_string();
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(question)))
            .context("the token cannot stand in a header")?;
        Verdict::of_response(
            &wire::runtime()?.block_on(proxy.send("/__magictoken/explain", request))?,
        )
    }

    fn decide(&self, keys: &KeyRing, revocations: &RevocationList) -> Verdict {
        let upstream = self.upstream;
        let target = match RequestTarget::parse(self.target.as_bytes(), upstream.path_settings()) {
            Ok(target) => target,
            Err(error) => return Verdict::refused(error.code(), error),
        };
        let now = clock::now();
        let token = match keys.verify(self.token, &Config::verify_context(upstream, now)) {
            Ok(token) => Arc::new(token),
            Err(error) => return Verdict::refused(error.code(), error),
        };
        if revocations.refuses(&token.names()) {
            return Verdict::refused("revoked_token", "the token has been revoked");
        }
        let access = AccessRequest {
            method: self.method,
            target: &target,
            upstream: self.config.name_for(&token, upstream),
            alias: upstream.alias.as_ref(),
            unnamed: upstream.unnamed,
            ceiling: upstream.ceiling.as_ref(),
            sender: self.sender,
            now,
            parts: magicproxy_core::RequestParts::default(),
            steps: &DecisionSteps::new(),
        };
        let decided = match token.decide(&access).by_rules() {
            Ok(prospect) if self.config.keeps_nothing_for(prospect) => {
                Verdict::refused("unlisted_minter", STATE_NEEDS_MINTER)
            }
            Ok(prospect) => {
                Verdict { rule: Some(prospect.rule().to_string()), ..Verdict::default() }
            }
            Err(denial) => self.denied(&denial, &token, &target),
        };
        let plugins: Vec<String> = token.plugins().iter().map(ToString::to_string).collect();
        Verdict {
            rules: token.policy().rules().map(ToString::to_string).collect(),
            upstream: Some(upstream.name.to_string()),
            plugins: (!plugins.is_empty()).then_some(plugins),
            ..decided
        }
    }

    fn denied(&self, denial: &Denial, token: &VerifiedToken, target: &RequestTarget) -> Verdict {
        let needed = |policy: &Policy| policy.missing(self.method, target, &DecisionSteps::new());
        let refused = Verdict::refused(denial.code(), denial);
        match denial {
            Denial::BeyondCeiling => Verdict {
                needed: self.upstream.ceiling.as_ref().map(needed).unwrap_or_default(),
                ..refused
            },
            Denial::NotAllowed => match Method::parse(self.method) {
                Ok(_) => Verdict { needed: needed(token.policy()), ..refused },
                Err(error) => {
                    Verdict::refused(denial.code(), format!("no rule can allow this: {error}"))
                }
            },
            Denial::Expired
            | Denial::KeyEnded
            | Denial::NotYetValid
            | Denial::WrongUpstream { .. }
            | Denial::WrongSender
            | Denial::BeyondCaveat
            | Denial::Unknown(_)
            | Denial::TooCostly => refused,
        }
    }
}

impl Verdict {
    fn describe(&self, asked: &str) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let mut line = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        match &self.refusal {
            None => {
                let by = self
                    .rule
                    .as_ref()
                    .map(|rule| format!("\n  by the rule `{}`", harmless(rule)))
                    .unwrap_or_default();
                let unless = if self.plugins.is_some() { " by the rules" } else { "" };
                line(format!("allowed{unless}: {asked}{by}"));
            }
            Some((code, reason)) => {
                line(format!("denied: {asked}\n  {code}: {}", harmless(reason)))
            }
        }
        let beyond = self.refusal.as_ref().is_some_and(|(code, _)| code == "beyond_ceiling");
        let who = if beyond { "the ceiling would need" } else { "the token would need" };
        self.needed.iter().for_each(|rule| line(format!("  {who} `{rule}`")));
        if let Some(upstream) = &self.upstream {
            line(format!("  at the upstream `{}`", harmless(upstream)));
        }
        if let Some(plugins) = &self.plugins {
            let names: Vec<String> =
                plugins.iter().map(|name| format!("`{}`", harmless(name))).collect();
            let who = if names.is_empty() {
                "plugins decide".to_owned()
            } else {
                format!("the plugins {} decide", names.join(", "))
            };
            line(format!(
                "  {who} as well, which are not asked here: they may deny what the rules allow, and allow what they do not"
            ));
            line("  (`magicproxy plugin run FILE --request REQUEST` asks one)".to_owned());
        }
        if self.refusal.is_some() {
            self.rules
                .iter()
                .take(20)
                .for_each(|rule| line(format!("  the token allows `{}`", harmless(rule))));
        }
        text
    }

    fn to_json(&self) -> Value {
        json!({
            "decision": if self.refusal.is_none() { "allowed" } else { "denied" },
            "rule": self.rule,
            "code": self.refusal.as_ref().map(|(code, _)| code),
            "reason": self.refusal.as_ref().map(|(_, reason)| reason),
            "needed": self.needed,
            "rules": self.rules,
            "headers": self.headers,
            "upstream": self.upstream,
            "plugins": self.plugins.as_ref().map_or_else(|| json!([]), |names| json!(names)),
            "plugins_asked": self.plugins.is_none(),
        })
    }
}
