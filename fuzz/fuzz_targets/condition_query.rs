//! Fuzzes queries and forms before rules with conditions: both are judged alike, in any slices and
//! in both readings of `+`, and what is allowed shows a plain reader the constrained names once,
//! with allowed values.
//!
//! Input: two bytes, which choose the rule and the length of the slices, and a query or a form.
#![no_main]

use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{
    Acceptance, AccessRequest, ContentView, Credential, Decision, DecisionSteps, FieldValue,
    HeaderView, PatternMode, PlusReading, Question, RawRule, RequestParts, RequestTarget, Rule,
    RuleSource, Scopes, TokenSpec, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
    VerifyContext,
};
use magicproxy_fuzz::{ring, target};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_800_000_000);

fuzz_target!(|data: &[u8]| {
    let [rule, slice, text @ ..] = data else { return };
    let tokens = tokens();
    let number = usize::from(*rule) % tokens.len();
    let token = &tokens[number];
    let form = allows_form(token, text, usize::from(*slice));
    assert_eq!(form, allows_form(token, text, 1 << 20), "slices make a difference");
    if form {
        assert!(holds(number, &pairs(text)), "rule {number} allows a form");
    }
    let Some(target) = std::str::from_utf8(text).ok().and_then(|text| target(&format!("/?{text}")))
    else {
        return;
    };
    let allows = |plus| allows_query(token, &target, plus);
    let (blank, plus) = (allows(PlusReading::Blank), allows(PlusReading::Plus));
    assert_eq!(allows(PlusReading::Both), blank && plus, "both readings are asked");
    if !text.is_empty() {
        assert_eq!(blank, form, "a query is judged as a form is");
    }
});

fn rules() -> [Value; 4] {
    [
        json!({"service": "git-upload-pack"}),
        json!({"q": ["a b", "c"], "page?": {"min": 1, "max": 9}}),
        json!({"user_id?": [7, 8], "to": {"absent": true}, "*": {}}),
        json!({"n": {"max": 500}, "m[*]": {"glob": "x*"}, "m[a]?": "y", "t?": {"each": {}, "count": 2}}),
    ]
}

/// True if pairs are as the rule with this number wants them.
fn holds(number: usize, pairs: &[(String, String)]) -> bool {
    let values = |name: &str| -> Vec<&str> {
        pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    };
    let only = |names: &[&str]| pairs.iter().all(|(name, _)| names.contains(&name.as_str()));
    match number {
        0 => only(&["service"]) && values("service") == ["git-upload-pack"],
        1 => {
            let page = values("page");
            only(&["q", "page"])
                && matches!(values("q")[..], ["a b" | "c"])
                && page.len() <= 1
                && page.iter().all(|page| matches!(page.as_bytes(), [b'1'..=b'9']))
        }
        2 => {
            let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
            matches!(values("user_id")[..], [] | ["7" | "8"])
                && pairs.iter().all(|(name, _)| {
                    !is(name, "to")
                        && (name == "user_id" || !is(&name.replace('-', "_"), "user_id"))
                })
        }
        _ => {
            let number = |text: &&str| text.parse::<i64>().is_ok_and(|number| number <= 500);
            let others = pairs.iter().filter(|(name, _)| !["n", "t"].contains(&name.as_str()));
            values("n").len() == 1
                && values("n").iter().all(number)
                && [0, 2].contains(&values("t").len())
                && others.clone().all(|(name, value)| {
                    name.starts_with("m[")
                        && name.ends_with(']')
                        && if name == "m[a]" { value == "y" } else { value.starts_with('x') }
                        && values(name).len() == 1
                })
        }
    }
}

/// Reads a form as the WHATWG's URL standard does.
fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let pieces = text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &[][..]),
            };
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let [first, others @ ..] = rest {
        let hex = |text: &[u8]| u8::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
        let triplet = others.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(triplet.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if triplet.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns a token for each rule: for queries, and for forms.
fn tokens() -> &'static [Arc<VerifiedToken>] {
    static TOKENS: OnceLock<Vec<Arc<VerifiedToken>>> = OnceLock::new();
    TOKENS.get_or_init(|| rules().into_iter().map(token).collect())
}

fn token(names: Value) -> Arc<VerifiedToken> {
    let rules = [
        json!({"method": "GET", "path": "/", "query": names}),
        json!({"method": "POST", "path": "/", "form": names}),
    ];
    let rules: Vec<RawRule> = rules
        .into_iter()
        .map(|rule| serde_json::from_value(rule).expect("this is a rule's form"))
        .collect();
    let rules = Rule::parse_list(&rules, PatternMode::Whole).expect("the rules are right");
    let credential = Credential::parse("ghp_0123456789abcdef".to_owned().into());
    let spec = TokenSpec {
        credential: credential.expect("this is a credential"),
        source: RuleSource::Rules(rules),
        upstream: Some(upstream()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3_600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let minted = ring().mint(&spec).expect("the token can be minted");
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(ring().verify(&minted.token, &context).expect("an own token is verified"))
}

fn upstream() -> UpstreamName {
    UpstreamName::parse("api").expect("this is a name")
}

/// One content type, of forms.
#[derive(Debug)]
struct FormHeaders;

impl HeaderView for FormHeaders {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "content-type" => FieldValue::One(b"application/x-www-form-urlencoded"),
            _ => FieldValue::Absent,
        }
    }
}

fn access<'r>(
    method: &'r str,
    target: &'r RequestTarget,
    upstream: &'r UpstreamName,
    steps: &'r DecisionSteps,
) -> AccessRequest<'r> {
    AccessRequest {
        method,
        target,
        upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: RequestParts { headers: &FormHeaders, ..RequestParts::default() },
        steps,
    }
}

/// Decides on a request with this query, and without a body.
fn allows_query(token: &Arc<VerifiedToken>, target: &RequestTarget, plus: PlusReading) -> bool {
    let (upstream, steps) = (upstream(), DecisionSteps::new());
    let asked = access("GET", target, &upstream, &steps);
    let parts = RequestParts { content: ContentView::Empty, plus, ..asked.parts };
    matches!(token.decide(&AccessRequest { parts, ..asked }), Decision::Allowed(_))
}

/// Decides on a request with this form, which is judged in slices.
fn allows_form(token: &Arc<VerifiedToken>, form: &[u8], slice: usize) -> bool {
    static TARGET: OnceLock<RequestTarget> = OnceLock::new();
    let (upstream, steps) = (upstream(), DecisionSteps::new());
    let target = TARGET.get_or_init(|| target("/").expect("this is a target"));
    let asked = access("POST", target, &upstream, &steps);
    let parts = RequestParts { content: ContentView::Unread, ..asked.parts };
    let asked = AccessRequest { parts, ..asked };
    let Decision::Needs(Question::Body(question)) = token.decide(&asked) else {
        panic!("the rule looks into the body");
    };
    let tests = question.tests(&asked).expect("the steps suffice");
    let mut judge = tests.judge(form, &FormHeaders, &[]);
    while !judge.advance(slice) {}
    let judged = judge.finish();
    let (steps, content) = (DecisionSteps::new(), ContentView::Judged(&judged));
    let parts = RequestParts { content, ..asked.parts };
    let decision = question.decide(&AccessRequest { parts, steps: &steps, ..asked });
    matches!(decision, Decision::Allowed(_))
}
