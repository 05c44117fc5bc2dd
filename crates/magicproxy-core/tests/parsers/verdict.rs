//! The verdict of the proxy: a token with one rule, asked as the engine asks.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use magicproxy_core::{
    Acceptance, AccessRequest, ContentView, Credential, Decision, DecisionSteps, Denial,
    EncodedSlash, FieldValue, HeaderView, Kem, KeyRing, PatternMode, PlusReading, PrivateKey,
    Question, RawRule, RequestParts, RequestTarget, Rule, RuleSource, Scope, ScopeName, Scopes,
    SealedTokenSpec, SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
    VerifyContext,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::naive_conditions::{Outcome, Plus, SampleRequest};

const NOW: UnixTime = UnixTime(1_790_000_000);
const PATH: &str = "/x";
/// The number of bytes of a slice: small, so that slices end everywhere.
const SLICE: usize = 7;

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let sealing = vec![SealingKey::generate(Kem::X25519, NOW).unwrap()];
    KeyRing::new(PrivateKey::generate(2048).unwrap(), vec![])
        .unwrap()
        .with_sealing(sealing)
        .unwrap()
});

/// A token with one rule for one path.
#[derive(Debug)]
pub(crate) struct Token {
    token: Arc<VerifiedToken>,
    upstream: UpstreamName,
}

impl Token {
    /// A token whose only rule has these conditions.
    pub(crate) fn with(conditions: &Value) -> Token {
        let mut rule = conditions.clone();
        rule["method"] = json!(method(conditions));
        rule["path"] = json!(PATH);
        let raw: RawRule = serde_json::from_value(rule).unwrap();
        let rules = Rule::parse_list(&[raw], PatternMode::Whole).unwrap();
        let (name, upstream) =
            (ScopeName::parse("s").unwrap(), UpstreamName::parse("api").unwrap());
        let mut scopes = Scopes::default();
        scopes.insert(
            name.clone(),
            Scope::new(&rules, BTreeSet::default().into_iter().collect()).unwrap(),
        );
        let minted = RING.published(NOW).next().unwrap().mint(&SealedTokenSpec {
            credential: Credential::parse(Zeroizing::new("ghp_x".to_owned())).unwrap().into(),
            source: RuleSource::Scopes(vec![name]),
            upstream: upstream.clone(),
            issued_at: NOW,
            expires_at: UnixTime(NOW.0 + 3000),
            not_before: None,
            subject: None,
            explain: false,
            minter: None,
        });
        let acceptance = Acceptance::default();
        let context = VerifyContext {
            now: NOW,
            scopes: &scopes,
            patterns: PatternMode::Whole,
            acceptance: &acceptance,
        };
        let token = Arc::new(RING.verify(&minted.unwrap().token, &context).unwrap());
        Token { token, upstream }
    }

    /// The outcome of the rule; `None` if the target is refused before any rule is asked.
    pub(crate) fn judge(&self, conditions: &Value, request: &SampleRequest) -> Option<Outcome> {
        let target = match &request.query {
            Some(query) => [PATH.as_bytes(), b"?", query].concat(),
            None => PATH.as_bytes().to_vec(),
        };
        let target = RequestTarget::parse(&target, EncodedSlash::Both).ok()?;
        let steps = DecisionSteps::new();
        let content =
            if request.body.is_empty() { ContentView::Empty } else { ContentView::Unread };
        let plus = match request.plus {
            Plus::Both => PlusReading::Both,
            Plus::Blank => PlusReading::Blank,
            Plus::Itself => PlusReading::Plus,
        };
        let fields = Fields(&request.headers);
        let access = AccessRequest {
            method: method(conditions),
            target: &target,
            upstream: &self.upstream,
            alias: None,
            unnamed: UnnamedTokens::Refuse,
            ceiling: None,
            sender: None,
            now: NOW,
            parts: RequestParts { headers: &fields, content, plus, ..RequestParts::default() },
            steps: &steps,
        };
        let decision = match self.token.decide(&access) {
            Decision::Needs(Question::Body(question)) => {
                let tests = question.tests(&access).unwrap();
                let mut judge = tests.judge(&request.body, &fields, &[]);
                while !judge.advance(SLICE) {}
                let judged = judge.finish();
                let parts = RequestParts { content: ContentView::Judged(&judged), ..access.parts };
                question.decide(&AccessRequest { parts, steps: &DecisionSteps::new(), ..access })
            }
            decision => decision,
        };
        Some(match decision {
            Decision::Allowed(_) => Outcome::True,
            Decision::Denied(Denial::NotAllowed) => Outcome::False,
            Decision::Denied(Denial::Unknown(reason)) => Outcome::unknown(reason.code()),
            other => panic!("{other:?}"),
        })
    }
}

/// A method whose requests have the content that the rule speaks of.
fn method(conditions: &Value) -> &'static str {
    let inspects = ["json", "json_each", "form"].iter().any(|kind| conditions.get(*kind).is_some());
    if inspects { "POST" } else { "GET" }
}

/// The header fields of a sample.
#[derive(Debug)]
struct Fields<'r>(&'r [(String, String)]);

impl HeaderView for Fields<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => FieldValue::Absent,
            (Some(value), None) => FieldValue::One(value.as_bytes()),
            (Some(_), Some(_)) => FieldValue::Several,
        }
    }
}
