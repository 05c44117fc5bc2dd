//! The scenarios of the benchmark: a number of connections, a load, and the servers.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::servers::{BESIDE, Server, Servers, Tokens};
use crate::conditioned;

/// A line of the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    load: Load,
    servers: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// `GET`, 1,024 bytes of JSON.
    Small,
    /// The small load over TLS.
    Tls,
    /// The small load by HTTP/2, with 4 streams at once on each connection.
    Http2,
    /// The small load from an upstream that speaks TLS.
    SecureUpstream,
    /// The small load with 1,000 tokens in turn.
    ManyTokens,
    /// The small load with sealed tokens in turn.
    SealedTokens,
    /// The small load with a token of a scope with 1,000 rules, of which the last rule matches.
    ManyRules,
    /// The small load with a token of ten scopes with 1,000 rules each, of which the last scope
    /// allows the request.
    ManyScopes,
    /// The small load with two query parameters, each of which has a condition.
    Query,
    /// `POST`, 2 KiB of JSON with conditions, 1,024 bytes of JSON back.
    Json,
    /// `GET`, 1 MiB.
    Down,
    /// `POST`, 1 MiB.
    Up,
    /// `GET`, 1 GiB, once.
    Stream,
}

/// A load generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Wrk,
    /// For HTTP/2, which `wrk` does not speak.
    H2load,
    /// For a single request.
    Curl,
}

/// The servers in most scenarios, and in the plot.
pub(crate) const PEERS: [&str; 3] = ["nginx", "haproxy", "magicproxy"];
const WITH_DIRECT: &[&str] = &["direct", "nginx", "haproxy", "magicproxy"];
const WITH_VARIANTS: &[&str] =
    &["direct", "nginx", "haproxy", "envoy", "magicproxy", "links kept", "with a log"];
const WITH_ALL: &[&str] =
    &["direct", "nginx", "haproxy", "envoy", "python", "magicproxy", "links kept", "with a log"];

const fn scenario(
    name: &'static str,
    connections: u32,
    load: Load,
    servers: &'static [&'static str],
) -> Scenario {
    Scenario { name, connections, load, servers }
}

pub(crate) const SCENARIOS: [Scenario; 16] = [
    scenario("1 KiB, c=1", 1, Load::Small, WITH_DIRECT),
    scenario("1 KiB, c=32", 32, Load::Small, WITH_ALL),
    scenario("1 KiB, c=256", 256, Load::Small, WITH_VARIANTS),
    scenario("1,000 tokens, c=32", 32, Load::ManyTokens, &PEERS),
    scenario("cold v1 tokens, c=32", 32, Load::ManyTokens, &["forgetful"]),
    scenario("cold v2 tokens, c=32", 32, Load::SealedTokens, &["forgetful"]),
    scenario("1,000 rules, c=32", 32, Load::ManyRules, &PEERS),
    scenario("10,000 rules, c=32", 32, Load::ManyScopes, &["nginx", "haproxy", "many scopes"]),
    scenario("query conditions, c=32", 32, Load::Query, &PEERS),
    scenario("2 KiB of JSON, c=32", 32, Load::Json, &PEERS),
    scenario("TLS, c=32", 32, Load::Tls, &PEERS),
    scenario("HTTP/2 in TLS, c=8", 8, Load::Http2, &PEERS),
    scenario("TLS upstream, c=32", 32, Load::SecureUpstream, &PEERS),
    scenario("1 MiB down, c=8", 8, Load::Down, WITH_DIRECT),
    scenario("1 MiB up, c=8", 8, Load::Up, WITH_DIRECT),
    scenario("1 GiB down, c=1", 1, Load::Stream, WITH_DIRECT),
];

impl Scenario {
    pub(crate) fn has(&self, server: &str) -> bool {
        self.servers.contains(&server) || server == BESIDE && self.servers.contains(&"magicproxy")
    }

    pub(crate) fn tool(&self) -> Tool {
        match self.load {
            Load::Http2 => Tool::H2load,
            Load::Stream => Tool::Curl,
            _ => Tool::Wrk,
        }
    }

    /// Returns the URL of the scenario at a server.
    pub(crate) fn url(&self, server: &Server) -> String {
        let (scheme, port) = match self.load {
            Load::Tls | Load::Http2 => ("https", server.tls_port),
            Load::SecureUpstream => ("http", server.onward_port),
            _ => ("http", None),
        };
        format!("{scheme}://127.0.0.1:{}{}", port.unwrap_or(server.port), self.path())
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.load {
            Load::Down => "/big",
            Load::Up => "/upload",
            Load::Stream => "/huge",
            Load::Query => conditioned::QUERY,
            _ => "/repos/acme/rocket/issues",
        }
    }

    /// Returns the token, if all requests have the same token.
    pub(crate) fn token<'t>(&self, tokens: &'t Tokens) -> Option<&'t str> {
        match self.load {
            Load::ManyTokens | Load::SealedTokens => None,
            Load::ManyRules => Some(&tokens.of_scope),
            Load::ManyScopes => Some(&tokens.of_scopes),
            Load::Query => Some(&tokens.of_query),
            Load::Json => Some(&tokens.of_json),
            Load::SecureUpstream => Some(&tokens.onward),
            _ => Some(&tokens.one),
        }
    }

    /// Writes the script for `wrk`, which sets everything but the token.
    pub(crate) fn script(&self, servers: &Servers) -> Result<PathBuf> {
        let text = match self.load {
            Load::ManyTokens => rotating(&servers.tokens.many, self.path()),
            Load::SealedTokens => rotating(&servers.tokens.sealed, self.path()),
            Load::Up => posting("application/octet-stream", "string.rep(\"x\", 1024 * 1024)"),
            Load::Json => {
                posting("application/json", &format!("[[{}]]", conditioned::content(2048)))
            }
            _ => String::new(),
        };
        let file = servers.folder.join(format!("{:?}.lua", self.load));
        std::fs::write(&file, text + DONE).context("cannot write a script for wrk")?;
        Ok(file)
    }
}

/// The end of each script: `wrk` itself prints percentiles only up to 99 %.
const DONE: &str = "done = function(summary, latency)\n  \
                    io.write(string.format(\"     99.9%%    %.2fus\\n\", latency:percentile(99.9)))\nend\n";

/// Returns a script that sends a body, which is written in Lua.
fn posting(media_type: &str, body: &str) -> String {
    format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"{media_type}\"\nwrk.body = {body}\n"
    )
}

/// Returns a script that sends the tokens in turn. The requests are made before the load begins.
pub(super) fn rotating(tokens: &[String], path: &str) -> String {
    let tokens: Vec<String> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
    format!(
        "local tokens = {{{}}}\nlocal requests, at = {{}}, 0\n\
         init = function(args)\n  for number, token in ipairs(tokens) do\n    \
         requests[number] = wrk.format(\"GET\", \"{path}\", {{[\"Authorization\"] = \"Bearer \" .. token}})\n  end\nend\n\
         request = function()\n  at = at % #requests + 1\n  return requests[at]\nend\n",
        tokens.join(",\n")
    )
}
