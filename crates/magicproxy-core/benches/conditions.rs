//! What judging a JSON body costs: `cargo bench -p magicproxy-core --bench conditions`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark may stop where it stands")]

use std::sync::{Arc, LazyLock};

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use magicproxy_core::{
    Acceptance, AccessRequest, BodyTests, ContentView, Credential, Decision, DecisionSteps,
    EncodedSlash, FieldValue, HeaderView, KeyRing, PatternMode, PrivateKey, Question, RawRule,
    RequestParts, RequestTarget, Rule, RuleSource, Scopes, TokenSpec, UnixTime, UnnamedTokens,
    UpstreamName, VerifyContext,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

const NOW: UnixTime = UnixTime(1_790_000_000);
const MIB: usize = 1 << 20;

static RING: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![]).unwrap());

fn main() {
    divan::main();
}

#[divan::bench]
fn long_texts(bencher: Bencher<'_, '_>) {
    let text = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(1_000);
    let list = vec![format!("\"{text}\""); MIB / text.len()].join(",");
    let rule = json!({"model": "m", "input": {"each": {"type": "string"}}});
    judge(bencher, &rule, &format!("{{\"model\":\"m\",\"input\":[{list}]}}"));
}

#[divan::bench(args = [2 << 10, MIB])]
fn chat(bencher: Bencher<'_, '_>, bytes: usize) {
    let content = "Explain this line:\\n\\tlet x = \\\"a\\\";\\nand say what else it could be. ";
    let message = format!("{{\"role\":\"user\",\"content\":\"{}\"}}", content.repeat(4));
    let list = vec![message.as_str(); bytes / message.len()].join(",");
    let message = json!({"object": {"role": ["user", "system"], "content": {}}});
    let rule = json!({"model": "m", "messages": {"each": message}});
    judge(bencher, &rule, &format!("{{\"model\":\"m\",\"messages\":[{list}]}}"));
}

#[divan::bench]
fn small_members(bencher: Bencher<'_, '_>) {
    let members: Vec<String> = (0..MIB / 12).map(|at| format!("\"k{at}\":{at}")).collect();
    let rule = json!({"k1": 1, "k2": {}, "*": {"min": 0}});
    judge(bencher, &rule, &format!("{{{}}}", members.join(",")));
}

fn judge(bencher: Bencher<'_, '_>, rule: &Value, body: &str) {
    let tests = tests(rule);
    bencher.counter(BytesCount::of_str(body)).bench(|| {
        let mut judge = tests.judge(black_box(body.as_bytes()), &JsonHeaders, &[]);
        while !judge.advance(64 << 10) {}
        judge.finish()
    });
}

/// Returns the tests of a body by a token with this rule.
fn tests(names: &Value) -> BodyTests {
    let rule = json!({"method": "POST", "path": "/", "json": names});
    let rule: RawRule = serde_json::from_value(rule).unwrap();
    let rules = Rule::parse_list(&[rule], PatternMode::Whole).unwrap();
    let upstream = UpstreamName::parse("api").unwrap();
    let spec = TokenSpec {
        credential: Credential::parse(Zeroizing::new("ghp_0123456789abcdef".to_owned())).unwrap(),
        source: RuleSource::Rules(rules),
        upstream: Some(upstream.clone()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3_600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    let minted = RING.mint(&spec).unwrap();
    let token = Arc::new(RING.verify(&minted.token, &context).unwrap());
    let target = RequestTarget::parse(b"/", EncodedSlash::Refuse).unwrap();
    let content = ContentView::Unread;
    let access = AccessRequest {
        method: "POST",
        target: &target,
        upstream: &upstream,
        alias: None,
        unnamed: UnnamedTokens::Refuse,
        ceiling: None,
        sender: None,
        now: NOW,
        parts: RequestParts { headers: &JsonHeaders, content, ..RequestParts::default() },
        steps: &DecisionSteps::new(),
    };
    match token.decide(&access) {
        Decision::Needs(Question::Body(question)) => question.tests(&access).unwrap(),
        _ => panic!("the rule looks into the body"),
    }
}

/// One content type, of JSON.
#[derive(Debug)]
struct JsonHeaders;

impl HeaderView for JsonHeaders {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "content-type" => FieldValue::One(b"application/json"),
            _ => FieldValue::Absent,
        }
    }
}
