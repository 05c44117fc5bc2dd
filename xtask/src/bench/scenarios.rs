//! What is measured: so many connections, doing this, before these servers.

use anyhow::{Context, Result};

use super::servers::{Servers, Tokens};

/// One line of the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    load: Load,
    /// Besides the three that are always compared.
    pub(crate) besides: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// `GET`, 1,024 bytes of JSON.
    Small,
    /// The same over TLS.
    Tls,
    /// The same by HTTP/2, with 4 streams at once on each connection.
    Http2,
    /// The same as `Small` with 1,000 tokens in turn.
    ManyTokens,
    /// The same with a token of a scope with 1,000 rules, of which the last one matches.
    ManyRules,
    /// `GET`, 1 MiB.
    Down,
    /// `POST`, 1 MiB.
    Up,
}

/// In each of them.
pub(crate) const PEERS: [&str; 3] = ["nginx", "haproxy", "magicproxy"];

pub(crate) const SCENARIOS: [Scenario; 9] = [
    Scenario { name: "1 KiB, c=1", connections: 1, load: Load::Small, besides: &["direct"] },
    Scenario {
        name: "1 KiB, c=32",
        connections: 32,
        load: Load::Small,
        besides: &["direct", "links kept", "with a log", "envoy"],
    },
    Scenario {
        name: "1 KiB, c=256",
        connections: 256,
        load: Load::Small,
        besides: &["direct", "links kept", "with a log", "envoy"],
    },
    Scenario { name: "1,000 tokens, c=32", connections: 32, load: Load::ManyTokens, besides: &[] },
    Scenario { name: "1,000 rules, c=32", connections: 32, load: Load::ManyRules, besides: &[] },
    Scenario { name: "TLS, c=32", connections: 32, load: Load::Tls, besides: &[] },
    Scenario { name: "HTTP/2 in TLS, c=8", connections: 8, load: Load::Http2, besides: &[] },
    Scenario { name: "1 MiB down, c=8", connections: 8, load: Load::Down, besides: &["direct"] },
    Scenario { name: "1 MiB up, c=8", connections: 8, load: Load::Up, besides: &["direct"] },
];

impl Scenario {
    pub(crate) fn has(&self, server: &str) -> bool {
        PEERS.contains(&server) || self.besides.contains(&server)
    }

    /// `https` or `http`.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.load, Load::Tls | Load::Http2)
    }

    /// For which `wrk` has no words.
    pub(crate) fn is_http2(&self) -> bool {
        self.load == Load::Http2
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.load {
            Load::Down => "/big",
            Load::Up => "/upload",
            Load::Small | Load::Tls | Load::Http2 | Load::ManyTokens | Load::ManyRules => "/repos/acme/rocket/issues",
        }
    }

    /// What `wrk` is told besides: the token, where it is always the same, and a script.
    pub(crate) fn arguments(&self, servers: &Servers) -> Result<Vec<String>> {
        let Tokens { one, of_scope, many } = &servers.tokens;
        let (token, script) = match self.load {
            Load::Small | Load::Tls | Load::Http2 | Load::Down => (Some(one), String::new()),
            Load::ManyRules => (Some(of_scope), String::new()),
            Load::ManyTokens => (None, rotating(many, self.path())),
            Load::Up => (Some(one), POSTING.to_owned()),
        };
        let file = servers.folder.join(format!("{:?}.lua", self.load));
        std::fs::write(&file, script + DONE).context("cannot write a script for wrk")?;
        let header = token.map(|token| ["--header".to_owned(), format!("Authorization: Bearer {token}")]);
        Ok([header.map(Vec::from).unwrap_or_default(), vec!["--script".to_owned(), file.display().to_string()]].concat())
    }
}

/// `wrk` itself stops at 99 %.
const DONE: &str = "done = function(summary, latency)\n  \
                    io.write(string.format(\"     99.9%%    %.2fus\\n\", latency:percentile(99.9)))\nend\n";

const POSTING: &str = "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/octet-stream\"\n\
                       wrk.body = string.rep(\"x\", 1024 * 1024)\n";

/// The requests are made before the load begins.
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
