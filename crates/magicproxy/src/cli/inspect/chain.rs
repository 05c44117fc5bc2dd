//! The caveats of a token, described one by one, and their effect in plain words.

use std::fmt::Write as _;

use magicproxy_core::{Caveat, Origin, ParseCaveatError, UnixTime};
use serde_json::{Value, json};

use crate::cli::time;
use magicproxy_config::ground::text::harmless;

/// The caveats, as far as readable.
#[derive(Debug)]
pub(super) struct Chain(Result<Vec<Caveat>, String>);

impl Chain {
    pub(super) fn of_parts(caveats: Result<Vec<Caveat>, ParseCaveatError>) -> Self {
        Self(caveats.map_err(|error| error.to_string()))
    }

    /// Reads the caveats of version 1, a claim of the token.
    pub(super) fn of_json(caveats: Option<&Value>) -> Self {
        let caveats = caveats.map(|caveats| {
            serde_json::from_value(caveats.clone()).map_err(|error| error.to_string())
        });
        Self(caveats.unwrap_or_else(|| Ok(Vec::new())))
    }

    fn caveats(&self) -> &[Caveat] {
        self.0.as_deref().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.caveats().len()
    }

    /// Returns the ends set by the caveats.
    pub(super) fn ends(&self) -> Vec<UnixTime> {
        self.caveats().iter().filter_map(|caveat| caveat.exp).collect()
    }

    /// Describes each caveat in a line for each member, and then the effect of all.
    pub(super) fn describe(&self, text: &mut String, now: UnixTime) {
        if let Err(error) = &self.0 {
            let _ = writeln!(text, "caveats    not readable: {}", harmless(error));
        }
        for (number, caveat) in self.caveats().iter().enumerate() {
            for said in sayings(caveat, now) {
                let _ = writeln!(text, "{:<10} {said}", format!("caveat {}", number + 1));
            }
        }
        if self.len() > 0 {
            let _ = writeln!(text, "{:<10} {}", "effective", self.effective(now));
        }
    }

    /// Describes the effect of all caveats in one sentence.
    fn effective(&self, now: UnixTime) -> String {
        let numbers = |says: fn(&Caveat) -> bool| -> String {
            let numbers = self
                .caveats()
                .iter()
                .zip(1..)
                .filter(|(caveat, _)| says(caveat))
                .map(|(_, number)| number.to_string());
            numbers.collect::<Vec<_>>().join(", ")
        };
        let (rules, senders) =
            (numbers(|caveat| caveat.allowed.is_some()), numbers(|caveat| caveat.sender.is_some()));
        let mut parts = vec!["requests that the token allows".to_owned()];
        if !rules.is_empty() {
            parts.push(format!("and that the caveats {rules} allow as well, each of them"));
        }
        if !senders.is_empty() {
            parts.push(format!("from where the caveats {senders} say"));
        }
        if let Some(end) = self.ends().into_iter().min() {
            parts.push(format!("until {} or the token's own end", time::distance(end, now)));
        }
        parts.join(", ")
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.0 {
            Ok(caveats) => json!(caveats),
            Err(error) => json!({ "error": harmless(error) }),
        }
    }
}

/// Describes each member of a caveat in a line.
fn sayings(caveat: &Caveat, now: UnixTime) -> Vec<String> {
    let moment = |time: UnixTime| format!("{} ({})", time::date(time), time::distance(time, now));
    let mut said = Vec::new();
    if let Some(rules) = &caveat.allowed {
        let rules: Vec<String> = rules.iter().map(|rule| harmless(&rule.to_string())).collect();
        said.push(format!("only {}", rules.join(", or ")));
    }
    said.extend(caveat.exp.map(|end| format!("until {}", moment(end))));
    said.extend(caveat.nbf.map(|start| format!("from {}", moment(start))));
    said.extend(caveat.aud.as_ref().map(|name| format!("at the upstream {name} only")));
    said.extend(caveat.sender.as_ref().map(|sender| {
        let networks: Vec<String> = sender.cidr.iter().map(ToString::to_string).collect();
        format!("from {} only", networks.join(" or "))
    }));
    said.extend(caveat.limit.map(|limit| format!("limit {limit}")));
    said.extend(caveat.sub.as_ref().map(|label| format!("given to {label}")));
    said.extend(caveat.from.as_ref().map(|origin| {
        let Origin { chain, owner, kid } = origin;
        format!("says that it was made of a token of chain:{chain}, owner:{owner}, kid:{kid}, and ends with it")
    }));
    said
}

/// Returns a rule as written.
pub(super) fn rule(rule: &Value) -> String {
    harmless(&rule.as_str().map_or_else(|| rule.to_string(), str::to_owned))
}
