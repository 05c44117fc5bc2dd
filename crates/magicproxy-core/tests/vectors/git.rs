//! `git.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use magicproxy_core::{
    Acceptance, AccessRequest, Caveat, ContentView, Credential, Decision, DecisionSteps, Denial,
    EncodedSlash, FieldValue, HeaderView, Kem, KeyRing, PatternMode, Permit, PrivateKey, Push,
    PushPart, PushView, Question, RawRule, RequestParts, RequestTarget, Rule, RuleSource, Scopes,
    SealedTokenSpec, SealingKey, UnixTime, UnnamedTokens, UpstreamName, VerifiedToken,
    VerifyContext,
};
use magicproxy_git::{CommandList, CommandListFault, ObjectFormat, ObjectId, PushCommand, RefName};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::files;

const NOW: UnixTime = UnixTime(1_790_000_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    rules: Vec<RuleCase>,
    forms: Vec<FormCase>,
    written: Vec<RuleCase>,
    decisions: Vec<Decisions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    rule: Value,
    #[serde(default)]
    refused: Vec<String>,
    /// True where a client library cannot tell.
    #[serde(rename = "proxy", default)]
    _proxy: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormCase {
    rule: String,
    refused: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decisions {
    rules: Vec<RawRule>,
    #[serde(default)]
    caveats: Vec<Vec<Value>>,
    requests: Vec<RequestCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestCase {
    method: String,
    target: String,
    content_type: Option<String>,
    content_encoding: Option<String>,
    body: Option<String>,
    #[serde(default)]
    empty: bool,
    commands: Option<Vec<String>>,
    #[serde(default)]
    options: Vec<String>,
    unreadable: Option<String>,
    result: String,
    counted: Option<bool>,
    reasons: Option<Vec<String>>,
}

/// True if each part is in the message, or there is neither.
fn fits(message: Option<&str>, parts: &[String]) -> bool {
    match message {
        None => parts.is_empty(),
        Some(message) => !parts.is_empty() && parts.iter().all(|part| message.contains(part)),
    }
}

#[track_caller]
fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn rules() {
    let file: File = files::read("vectors/git.json");
    assert!(file.rules.len() > 80);
    let run = |case: &RuleCase| {
        let raw: RawRule = serde_json::from_str(&case.rule.to_string()).unwrap();
        let written = serde_json::to_string(&raw).unwrap();
        assert_eq!(serde_json::from_str::<RawRule>(&written).unwrap(), raw, "{written}");
        let message = Rule::parse(raw, PatternMode::Whole).err().map(|error| error.to_string());
        (!fits(message.as_deref(), &case.refused))
            .then(|| format!("{}: {message:?}, expected {:?}", case.rule, case.refused))
    };
    report(&file.rules.iter().filter_map(run).collect::<Vec<_>>());
}

#[test]
fn forms() {
    let file: File = files::read("vectors/git.json");
    assert!(file.forms.len() > 30);
    let run = |case: &FormCase| {
        let message = RawRule::from_json(&case.rule).err().map(|faults| faults.to_string());
        (!fits(message.as_deref(), &case.refused))
            .then(|| format!("{}: {message:?}, expected {:?}", case.rule, case.refused))
    };
    report(&file.forms.iter().filter_map(run).collect::<Vec<_>>());
}

#[test]
fn written() {
    let file: File = files::read("vectors/git.json");
    assert!(file.written.len() > 10);
    let run = |case: &RuleCase| {
        let raw: RawRule = serde_json::from_str(&case.rule.to_string()).unwrap();
        let faults = Rule::parse_new_list(&[raw], PatternMode::Whole).err();
        let message = faults.map(|faults| faults[0].to_string());
        (!fits(message.as_deref(), &case.refused))
            .then(|| format!("{}: {message:?}, expected {:?}", case.rule, case.refused))
    };
    report(&file.written.iter().filter_map(run).collect::<Vec<_>>());
}

/// A caveat may hold every rule for git that has no effect.
#[test]
fn caveats() {
    let file: File = files::read("vectors/git.json");
    for case in file.rules.iter().filter(|case| case.refused.is_empty()) {
        let caveat = json!({"allowed": [case.rule]}).to_string();
        let caveat = Caveat::from_json(caveat.as_bytes());
        assert_eq!(caveat.is_ok(), case.rule.get("limit").is_none(), "{}", case.rule);
    }
}

#[test]
fn decisions() {
    let file: File = files::read("vectors/git.json");
    let ring = ring();
    let (mut failures, mut count) = (Vec::new(), 0);
    for case in &file.decisions {
        let token = token(&ring, &case.rules, &case.caveats);
        for request in &case.requests {
            count += 1;
            let decided = Asked::of(request).decide(&token);
            failures.extend(decided.differs(request));
        }
    }
    assert!(count > 140, "{count}");
    report(&failures);
}

fn ring() -> KeyRing {
    let signing = PrivateKey::generate(2048).unwrap();
    let sealing = vec![SealingKey::generate(Kem::X25519, NOW).unwrap()];
    KeyRing::new(signing, vec![]).unwrap().with_sealing(sealing).unwrap()
}

fn token(ring: &KeyRing, rules: &[RawRule], caveats: &[Vec<Value>]) -> Arc<VerifiedToken> {
    let minted = ring.published(NOW).next().unwrap().mint(&SealedTokenSpec {
        credential: Credential::parse(Zeroizing::new("ghp_x".to_owned())).unwrap().into(),
        source: RuleSource::Rules(Rule::parse_list(rules, PatternMode::Whole).unwrap()),
        upstream: UpstreamName::parse("api").unwrap(),
        issued_at: NOW,
        expires_at: UnixTime(NOW.0 + 3000),
        not_before: None,
        subject: None,
        explain: false,
        minter: None,
    });
    let mut token = minted.unwrap().token;
    for rules in caveats {
        let caveat = json!({ "allowed": rules }).to_string();
        token = Caveat::from_json(caveat.as_bytes()).unwrap().append_to(&token).unwrap();
    }
    let (acceptance, scopes) = (Acceptance::default(), Scopes::default());
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &acceptance,
    };
    Arc::new(ring.verify(&token, &context).unwrap())
}

#[derive(Debug)]
struct Fields(BTreeMap<&'static str, String>);

impl HeaderView for Fields {
    fn field(&self, name: &str) -> FieldValue<'_> {
        let value = self.0.get(name);
        value.map_or(FieldValue::Absent, |value| FieldValue::One(value.as_bytes()))
    }
}

/// A request as a proxy has it, with the push that it would read.
struct Asked<'c> {
    case: &'c RequestCase,
    fields: Fields,
    target: RequestTarget,
    push: Option<Result<(Push, Vec<bool>), CommandListFault>>,
}

struct Decided {
    result: String,
    counted: bool,
    reasons: Vec<&'static str>,
}

impl<'c> Asked<'c> {
    fn of(case: &'c RequestCase) -> Self {
        let fields = [
            ("content-type", case.content_type.clone()),
            ("content-encoding", case.content_encoding.clone()),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let target = RequestTarget::parse(case.target.as_bytes(), EncodedSlash::Refuse).unwrap();
        let commands = case.commands.as_deref().map(|commands| Ok(push(commands, &case.options)));
        let fault = case.unreadable.as_deref().map(|code| Err(fault(code)));
        Self { case, fields: Fields(fields.collect()), target, push: commands.or(fault) }
    }

    fn decide(&self, token: &Arc<VerifiedToken>) -> Decided {
        let mut proved = None;
        let (upstream, steps) = (UpstreamName::parse("api").unwrap(), DecisionSteps::new());
        let content = if self.case.empty { ContentView::Empty } else { ContentView::Unread };
        let parts = RequestParts { headers: &self.fields, content, ..RequestParts::default() };
        let access = AccessRequest {
            method: &self.case.method,
            target: &self.target,
            upstream: &upstream,
            alias: None,
            unnamed: UnnamedTokens::Refuse,
            ceiling: None,
            sender: None,
            now: NOW,
            parts,
            steps: &steps,
        };
        let mut decision = token.decide(&access);
        let mut view = PushView::Unread;
        if let Decision::Needs(Question::Push(question)) = decision {
            assert_eq!(question.part(), PushPart::Commands);
            view = match self.push.as_ref().expect("nobody asks for the commands") {
                Ok((push, _)) => PushView::Listed(push),
                Err(fault) => PushView::Unreadable(*fault),
            };
            let (steps, parts) = (DecisionSteps::new(), RequestParts { push: view, ..parts });
            decision = question.decide(&AccessRequest { parts, steps: &steps, ..access });
        }
        if let Decision::Needs(Question::Push(question)) = decision {
            assert_eq!(question.part(), PushPart::FastForwards);
            let (push, forward) = self.push.as_ref().unwrap().as_ref().unwrap();
            let push = push.clone().with_fast_forwards(|number| forward[number]);
            view = PushView::Listed(proved.insert(push));
            let (steps, parts) = (DecisionSteps::new(), RequestParts { push: view, ..parts });
            decision = question.decide(&AccessRequest { parts, steps: &steps, ..access });
        }
        let decided = match decision {
            Decision::Needs(Question::Body(question)) => {
                let tests = question.tests(&access).unwrap();
                let body = self.case.body.as_deref().unwrap_or_default().as_bytes();
                let mut judge = tests.judge(body, &self.fields, &[]);
                while !judge.advance(usize::MAX) {}
                let judged = judge.finish();
                let content = ContentView::Judged(&judged);
                let (steps, parts) = (DecisionSteps::new(), RequestParts { content, ..parts });
                result(question.decide(&AccessRequest { parts, steps: &steps, ..access }))
            }
            // Only a rule with effects lets somebody ask for grants, and there is none.
            Decision::Needs(Question::Grants(question)) => result(question.nothing_held(&access)),
            decision => result(decision),
        };
        let (counted, result) = match decided {
            Ok(permit) => (permit.state().is_some(), "allowed".to_owned()),
            Err(denial) => (false, denial.code().to_owned()),
        };
        let steps = DecisionSteps::new();
        let parts = RequestParts { push: view, ..parts };
        let reasons = token.push_reasons(&AccessRequest { parts, steps: &steps, ..access });
        Decided { result, counted, reasons }
    }
}

fn result(decision: Decision) -> Result<Permit, Denial> {
    match decision {
        Decision::Allowed(permit) => Ok(permit),
        Decision::Denied(denial) => Err(denial),
        Decision::Needs(question) => panic!("{question:?}"),
    }
}

impl Decided {
    fn differs(&self, case: &RequestCase) -> Option<String> {
        let Self { result, counted, reasons } = self;
        let is_right = *result == case.result
            && case.counted.is_none_or(|expected| expected == *counted)
            && case.reasons.as_ref().is_none_or(|expected| expected == reasons);
        (!is_right).then(|| format!("{result} {counted} {reasons:?}, expected {case:?}"))
    }
}

/// Makes a push of commands in words, and tells which are fast-forwards.
fn push(commands: &[String], options: &[String]) -> (Push, Vec<bool>) {
    let id =
        |digit: &str| ObjectId::parse(ObjectFormat::Sha1, digit.repeat(40).as_bytes()).unwrap();
    let mut forward = Vec::new();
    let commands = commands.iter().map(|command| {
        let (word, name) = command.split_once(' ').unwrap();
        let (old, new) = match word {
            "create" => ("0", "2"),
            "delete" => ("1", "0"),
            "update" | "forward" => ("1", "2"),
            other => panic!("{other}"),
        };
        forward.push(word == "forward");
        PushCommand::new(id(old), id(new), RefName::parse(name.as_bytes()).unwrap()).unwrap()
    });
    let commands = commands.collect();
    let options = options.iter().map(|option| option.as_str().into()).collect();
    (Push::new(CommandList::of(commands, options).unwrap()), forward)
}

fn fault(code: &str) -> CommandListFault {
    match code {
        "git_syntax" => CommandListFault::Packet,
        "git_push_cert" => CommandListFault::PushCertificate,
        "git_too_many_commands" => CommandListFault::TooManyCommands,
        other => panic!("{other}"),
    }
}
