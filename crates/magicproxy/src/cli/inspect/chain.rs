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

    /// Returns the labels of the caveats, by which holders named the next holder.
    pub(super) fn labels(&self) -> Vec<String> {
        let labels = self.caveats().iter().filter_map(|caveat| caveat.sub.as_ref());
        labels.map(|label| harmless(&label.to_string())).collect()
    }

    /// Describes each caveat in a line for each member, and then the effect of all; `minted_until`
    /// is the end in the claims.
    pub(super) fn describe(
        &self,
        text: &mut String,
        minted_until: Option<UnixTime>,
        now: UnixTime,
    ) {
        if let Err(error) = &self.0 {
            let _ = writeln!(text, "caveats    not readable: {}", harmless(error));
        }
        for (number, caveat) in self.caveats().iter().enumerate() {
            for said in sayings(caveat, now) {
                let _ = writeln!(text, "{:<10} {said}", format!("caveat {}", number + 1));
            }
        }
        if self.len() > 0 {
            let _ = writeln!(text, "{:<10} {}", "effective", self.effective(minted_until, now));
        }
    }

    /// Describes the effect of all caveats in one sentence.
    fn effective(&self, minted_until: Option<UnixTime>, now: UnixTime) -> String {
        let mut parts = vec!["what the token allows".to_owned()];
        let numbered = |says: fn(&Caveat) -> bool| numbers(self.caveats(), says);
        parts.extend(
            numbered(|caveat| caveat.allowed.is_some())
                .map(|caveats| format!("and {caveats} as well")),
        );
        parts.extend(
            numbered(|caveat| caveat.sender.is_some())
                .map(|caveats| format!("from the networks of {caveats}")),
        );
        parts.extend(
            numbered(|caveat| caveat.aud.is_some())
                .map(|caveats| format!("at the upstream of {caveats}")),
        );
        parts.extend(
            numbered(|caveat| caveat.limit.is_some())
                .map(|caveats| format!("within the limit of {caveats}")),
        );
        let moment =
            |time: UnixTime| format!("{} ({})", time::date(time), time::distance(time, now));
        let start = self.caveats().iter().filter_map(|caveat| caveat.nbf).max();
        parts.extend(start.map(|start| format!("from {}", moment(start))));
        let end = self.ends().into_iter().chain(minted_until).min();
        parts.extend(end.map(|end| format!("until {}", moment(end))));
        parts.join(", ")
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.0 {
            Ok(caveats) => json!(caveats),
            Err(error) => json!({ "error": harmless(error) }),
        }
    }
}

/// Names the caveats of which `says` is true, as the subject or the source of something: `caveat 1`,
/// `caveats 1 and 3`. `None` if there is none.
fn numbers(caveats: &[Caveat], says: fn(&Caveat) -> bool) -> Option<String> {
    let found = caveats.iter().zip(1..).filter(|(caveat, _)| says(caveat));
    let found: Vec<String> = found.map(|(_, number): (_, usize)| number.to_string()).collect();
    match found.split_last()? {
        (only, []) => Some(format!("caveat {only}")),
        (last, before) => Some(format!("caveats {} and {last}", before.join(", "))),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence of what caveats leave, with each kind of caveat alone, in two and in three.
    #[test]
    fn the_effect_is_a_plain_sentence() {
        let (now, end) = (UnixTime(1_790_000_000), UnixTime(1_790_003_600));
        let effective = |caveats: Value| Chain::of_json(Some(&caveats)).effective(Some(end), now);
        let until = "until 2026-09-21T15:13:20Z (in 1h)";
        for (caveats, shown) in [
            (json!([{ "sub": "a" }]), format!("what the token allows, {until}")),
            (
                json!([{ "allowed": ["GET /a"] }]),
                format!("what the token allows, and caveat 1 as well, {until}"),
            ),
            (
                json!([{ "allowed": ["GET /a"] }, { "sub": "x" }, { "allowed": ["GET /b"] }]),
                format!("what the token allows, and caveats 1 and 3 as well, {until}"),
            ),
            (
                json!([{ "sender": { "cidr": ["192.0.2.0/24"] } }, { "limit": { "total": 3 } }, { "aud": "github" }]),
                format!(
                    "what the token allows, from the networks of caveat 1, at the upstream of caveat 3, within the limit of caveat 2, {until}"
                ),
            ),
            (
                json!([{ "allowed": ["GET /a"], "exp": 1_790_000_060 }, { "allowed": ["GET /a"] }, { "allowed": ["GET /a"] }]),
                "what the token allows, and caveats 1, 2 and 3 as well, until 2026-09-21T14:14:20Z (in 1m)".to_owned(),
            ),
            (
                json!([{ "nbf": 1_790_000_060 }, { "exp": 1_890_000_000 }]),
                format!("what the token allows, from 2026-09-21T14:14:20Z (in 1m), {until}"),
            ),
        ] {
            assert_eq!(effective(caveats.clone()), shown, "{caveats}");
        }
    }
}
