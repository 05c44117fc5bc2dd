//! `explain`: the proxy's decision on a request, and its reasons. Made by the gate's own functions,
//! or by a running proxy.

mod body;
mod git;
mod headers;
mod own;
mod verdict;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use http::Request;
use http::uri::Authority;
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::{
    AccessRequest, DecisionSteps, Denial, DescribedBody, Foreseen, KeyRing, Method, Policy, Push,
    RequestParts, RequestTarget, VerifiedToken,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::gate::{UnmetVerdict, guarded_parameters};
use magicproxy_proxy::header::{RequestFields, SentFields};
use magicproxy_proxy::router::{Route, Router};
use magicproxy_proxy::services::RevocationList;
use magicproxy_proxy::settings::UpstreamSettings;
use serde_json::json;

use super::asking::AskingArgs;
use super::{SettingsArgs, revoked, secret};
use crate::client::Peer;
use crate::ground::failure::Failure;
use crate::ground::output;
use crate::ground::output::remark;
use crate::runtime::keystore::Keystore;
use crate::runtime::{settings, wire};
use magicproxy_config::config::Config;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::scheme::is_loopback_host;
use magicproxy_config::ground::text::harmless;

use body::ExplainedBody;
use headers::Headers;
use verdict::{Outcome, Verdict};

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The token: `@FILE`, `-` for standard input, `env:NAME`, or itself
    token: String,
    /// The method, in upper case; or `git` for a question about git
    method: String,
    /// A URL of the proxy or of the API (of its preset, too), or a path: below a mount, or of the
    /// API that the token is for; behind `git` the word `push` or `fetch`
    url: String,
    /// Behind `git push` and `git fetch`: the repository, as a URL or a path. Behind `git push`, then,
    /// each reference: `refs/heads/main` for a fast-forward, `create:REF`, `delete:REF`,
    /// `force:REF`, and `option:TEXT` for a push option
    #[arg(value_name = "GIT")]
    git: Vec<String>,
    /// Ask a running proxy instead of deciding with the private key; it says what would be needed
    /// only for tokens minted with `--explain`
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
    /// The address that the request comes from, for tokens that bind their sender
    #[arg(long, value_name = "ADDRESS", conflicts_with = "proxy")]
    sender: Option<IpAddr>,
    /// A header of the request, for rules with conditions on it: `Name: value`, or its name alone.
    /// Would it reach the API? May be repeated
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body of the request, for rules that look into it: a file, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the decision; exit code 3 for a refusal, 2 where it depends on a body that is not given.
pub(crate) fn run(args: ExplainArgs, environment: &Environment) -> Result<(), Failure> {
    let (args, push) = git::read(args)?;
    let body = ExplainedBody::read(args.body.as_deref(), &args.token)?;
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
    let fields = RequestFields::of(upstream, &config.upstreams);
    let headers = Headers::new(&args.headers, &fields)?;
    let question = Question {
        token: &token,
        method: &args.method,
        target,
        upstream,
        sender: args.sender,
        config: &config,
        headers: &headers,
        body: &body,
        push: push.as_ref(),
        push_words: args.git.get(1..).unwrap_or_default(),
    };
    let verdict = match &args.proxy {
        Some(url) => question.ask(&args.asking.peer_for_secrets(url)?)?,
        None => {
            config.unchecked().iter().for_each(|line| remark(line));
            let keys = Keystore::of(&config.keys).open()?;
            let revocations = revoked::in_force_here(&config.revocations)?;
            let verdict = question.decide(&keys.ring, &revocations, &fields);
            headers.decide(verdict, &fields)
        }
    };
    let asked = format!("{} {}", harmless(&args.method), harmless(&asked.target));
    if args.json {
        output::print_json(&verdict.to_json())?;
    } else {
        output::print(&format!(
            "{}{}{}",
            verdict.describe(&asked),
            headers.describe(verdict.headers.as_deref()),
            hints(&verdict, &headers),
        ))?;
    }
    match verdict.outcome {
        Outcome::Allowed => Ok(()),
        Outcome::Denied { .. } => Err(Failure::Denied),
        Outcome::NeedsBody | Outcome::NeedsCommands => Err(Failure::Undecided),
    }
}

/// Says what the question lacks, where a finding depends on it.
fn hints(verdict: &Verdict, headers: &Headers) -> String {
    let mut text = String::new();
    let places = || verdict.unmet.iter().flat_map(|rule| &rule.findings);
    if places().any(|finding| finding.place == "content_type") && !headers.has("content-type") {
        text.push_str(
            "  no content type is given, as the client sends it: `--header 'Content-Type: application/json'`\n",
        );
    }
    for name in headers.without_value() {
        if places().any(|finding| finding.place == format!("headers.{name}")) {
            text.push_str(&format!(
                "  a rule depends on the value of a header: `--header '{name}: VALUE'`\n"
            ));
        }
    }
    text
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

/// The longest question that a proxy takes, in bytes.
const MAX_QUESTION_BYTES: usize = 64 * 1024;

const STATE_NEEDS_MINTER: &str = "the proxy keeps nothing for tokens that anyone can mint: this needs a token that one of its minters signed \
                                  (or `state.unlisted_minters = \"accept\"`)";

struct Question<'a> {
    token: &'a str,
    method: &'a str,
    target: &'a str,
    upstream: &'a UpstreamSettings,
    sender: Option<IpAddr>,
    config: &'a Config,
    headers: &'a Headers,
    body: &'a ExplainedBody,
    /// The push, if the question is about one.
    push: Option<&'a Push>,
    push_words: &'a [String],
}

impl Question<'_> {
    fn ask(&self, proxy: &Peer) -> Result<Verdict, Failure> {
        let mut question = json!({ "method": self.method, "target": self.target });
        self.headers.put_in(&mut question);
        self.body.put_in(&mut question);
        if let (Some(_), Some(members)) = (self.push, question.as_object_mut()) {
            members.insert("push".to_owned(), json!(self.push_words));
        }
        let question = question.to_string();
        if question.len() > MAX_QUESTION_BYTES {
            return Err(Failure::usage(format!(
                "a question to a proxy has at most {MAX_QUESTION_BYTES} bytes, with the body in it: without `--proxy`, beside the proxy's configuration, the body may be longer"
            )));
        }
        let request = Request::post("/")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(question)))
            .context("the token cannot stand in a header")?;
        let response = wire::runtime()?.block_on(proxy.send("/__magictoken/explain", request))?;
        Ok(Verdict::of_response(&response)?)
    }

    fn decide(
        &self,
        keys: &KeyRing,
        revocations: &RevocationList,
        fields: &RequestFields,
    ) -> Verdict {
        let upstream = self.upstream;
        let mut target =
            match RequestTarget::parse(self.target.as_bytes(), upstream.path_settings()) {
                Ok(target) => target,
                Err(error) => return Verdict::refused(error.code(), error),
            };
        let guarded = guarded_parameters(upstream, &self.config.upstreams);
        target.drop_query_parameters(&guarded);
        let now = clock::now();
        let token = match keys.verify(self.token, &Config::verify_context(upstream, now)) {
            Ok(token) => Arc::new(token),
            Err(error) => return Verdict::refused(error.code(), error),
        };
        if revocations.refuses(&token.names()) {
            return Verdict::refused("revoked_token", "the token has been revoked");
        }
        let described = self.headers.described();
        let sent = SentFields::of(&described, fields);
        let parts =
            RequestParts { headers: &sent, plus: upstream.query_plus, ..RequestParts::default() };
        let access = AccessRequest {
            method: self.method,
            target: &target,
            upstream: self.config.name_for(&token, upstream),
            alias: upstream.alias.as_ref(),
            unnamed: upstream.unnamed,
            ceiling: upstream.ceiling.as_ref(),
            sender: self.sender,
            now,
            parts,
            steps: &DecisionSteps::new(),
        };
        let longest = upstream.max_inspected_body;
        let (body, push) = (self.body.bytes(), self.push);
        let body = DescribedBody { body, longest, guarded: &guarded, push };
        let decided = match token.foresee(&access, body) {
            Foreseen::NeedsBody => Verdict::needing_body(),
            Foreseen::NeedsCommands => Verdict::needing_commands(),
            Foreseen::TooLong => Verdict::refused(
                "body_too_large",
                format!(
                    "a rule looks into the body, and it is longer than {longest} bytes (`max_inspected_body`)"
                ),
            ),
            Foreseen::Decided(decision, unmet) => match decision.by_rules() {
                Ok(prospect) if self.config.keeps_nothing_for(prospect) => {
                    Verdict::refused("unlisted_minter", STATE_NEEDS_MINTER)
                }
                Ok(prospect) => {
                    Verdict { rule: Some(prospect.rule().to_string()), ..Verdict::default() }
                }
                Err(denial) => Verdict {
                    unmet: unmet.iter().map(UnmetVerdict::of).collect(),
                    ..self.denied(&denial, &token, &target)
                },
            },
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
