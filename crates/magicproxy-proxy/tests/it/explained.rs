//! Refusals and explanations of rules with conditions: which condition is not true, in the words of
//! the rule. What a client sent is in no refusal and in no log.

use magicproxy_proxy::settings::{RefusalMedia, RefusalPart, RefusalShape};
use serde_json::{Value, json};

use crate::support::{
    Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, events_come, events_named,
    listed, request, rules,
};

/// A mark in whatever a client sends and no rule has.
const SENT: &str = "SENT";
const JSON: &str = "Content-Type: application/json";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// A shape with the message in a member of its own, as APIs have it.
const SHAPED: RefusalShape =
    RefusalShape { media: RefusalMedia::Json, members: &[("error", RefusalPart::Message)] };

fn ruled() -> Value {
    json!([
        "GET /plain",
        {"method": "POST", "route": "/pulls/{kind}", "captures": {"kind": {"glob": "k*"}}, "json":
            {"base": "main", "head": {"glob": "agent/*"}, "to?": {"each": {"object": {"name": "a"}}}}},
        {"method": "POST", "path": "/refunds", "limit": {"total": 9},
            "form": {"amount": {"min": 1, "max": 500}, "meta[*]": ["x"]},
            "headers": {"x-account": {"absent": true}}},
        {"method": "GET", "path": "/issues", "query": {"state": ["open", "all"]}},
        {"method": "POST", "path": "/two", "json": {"a": 1}},
        {"method": "POST", "path": "/two", "json": {"b": 2}},
        {"method": "POST", "path": "/two", "json": {"c": 3}}
    ])
}

/// Line, header fields, body, code, and what the refusal adds for a token that explains.
const CASES: [(&str, &[&str], &str, &str, &str); 17] = [
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"SENT","head":"agent/SENT"}"#,
        "not_allowed",
        r#"rule 2 would, but json.base must be "main""#,
    ),
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"main","head":"SENT","SENT":"SENT","SENT2":1}"#,
        "not_allowed",
        "rule 2 would, but json.head must match `agent/*`, a name in json is not named by the rule",
    ),
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"main"}"#,
        "not_allowed",
        "rule 2 would, but json.head must match `agent/*`",
    ),
    (
        "POST /pulls/SENT",
        &[JSON],
        "{}",
        "not_allowed",
        "rule 2 would, but captures.kind must match `k*`",
    ),
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"main","head":"agent/x","to":[{"name":"a"},{"name":"SENT"},{"name":"a","SENT":1}]}"#,
        "not_allowed",
        r#"rule 2 would, but json.to[].name must be "a", a name in json.to[] is not named by the rule"#,
    ),
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"main","bAse":"SENT","head":"agent/x"}"#,
        "json_twin",
        "rule 2 would, but a name in json is taken for `base` by some readers",
    ),
    (
        "POST /pulls/k1",
        &[JSON],
        r#"{"base":"SENT""#,
        "json_syntax",
        "rule 2 would, but json cannot be judged: the body is not strict JSON",
    ),
    (
        "POST /pulls/k1",
        &["Content-Type: text/SENT"],
        r#"{"base":"main","head":"agent/x"}"#,
        "body_type",
        "rule 2 would, but content_type must be application/json, once, and without a content coding",
    ),
    ("POST /pulls/k1", &[JSON], "", "body_type", "rule 2 would, but body must not be empty"),
    (
        "POST /refunds",
        &[FORM],
        "amount=501&meta[SENT]=SENT",
        "not_allowed",
        r#"rule 3 would, but form.amount must be an integer from 1 to 500, form.meta[*] must be "x""#,
    ),
    (
        "POST /refunds",
        &[FORM],
        "amount=5&SENT=1",
        "not_allowed",
        "rule 3 would, but a name in form is not named by the rule",
    ),
    (
        "POST /refunds",
        &[FORM],
        "amount=5&Amount=SENT",
        "form_twin",
        "rule 3 would, but a name in form is taken for `amount` by some readers",
    ),
    (
        "POST /refunds",
        &[FORM, "X-Account: SENT"],
        "amount=5",
        "not_allowed",
        "rule 3 would, but headers.x-account must not be there",
    ),
    (
        "GET /issues?state=SENT&SENT=1",
        &[],
        "",
        "not_allowed",
        r#"rule 4 would, but query.state must be one of "open", "all", a name in query is not named by the rule"#,
    ),
    ("GET /issues?state=open", &[], "SENT", "not_allowed", "rule 4 would, but body must be empty"),
    (
        "POST /two",
        &[JSON],
        r#"{"a":2}"#,
        "not_allowed",
        "rule 5 would, but json.a must be 1; rule 6 would, but a name in json is not named by the rule, json.b must be 2",
    ),
    ("POST /other", &[JSON], r#"{"SENT":1}"#, "not_allowed", "this rule would: `POST /other`"),
];

async fn ask(
    proxy: &Proxy,
    token: &str,
    line: &str,
    (fields, body): (&[&str], &str),
) -> ClientResponse {
    let length = format!("Content-Length: {}", body.len());
    let all = [&[length.as_str()], fields].concat();
    Client::ask(proxy, request(line, token, &all, body)).await
}

#[tokio::test]
async fn a_refusal_says_which_condition_is_not_true_and_nothing_that_was_sent() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        let own = settings.upstream_mut();
        own.pass_request_headers = listed(&["X-Account"]);
        own.refusal_format = SHAPED;
    })
    .await;
    let silent = Token::ruled(&ruled()).mint();
    let explaining = Token::ruled(&ruled()).explaining().mint();
    for (line, fields, body, code, words) in CASES {
        let told = ask(&proxy, &explaining, line, (fields, body)).await;
        let untold = ask(&proxy, &silent, line, (fields, body)).await;
        let case = format!("{line} {body}: {}", told.text());
        let generic = untold.json()["detail"].as_str().unwrap().to_owned();
        let detail = format!("{generic}; {words}");
        assert_eq!(told.json()["detail"], detail, "{case}");
        for member in ["message", "error"] {
            assert_eq!(told.json()[member], format!("magicproxy: {detail}"), "{case}");
        }
        assert_eq!((told.code().as_str(), untold.code().as_str()), (code, code), "{case}");
        assert!(!untold.text().contains("would"), "{case}");
        for response in [&told, &untold] {
            let whole = format!("{:?}{}", response.fields, response.text());
            assert!(!whole.contains(SENT), "{case}");
        }
        // The path is in the log, as it is for every request.
        let id = told.json()["request_id"].as_str().unwrap().to_owned();
        events_come(1, &[&id, "decision="]).await;
        for event in events_named(&[&id]) {
            let event = event.replace("/pulls/SENT", "");
            assert!(!event.contains(SENT) && !event.contains("would"), "{case}: {event}");
        }
    }
    assert!(upstream.take_requests().is_empty());
}

/// A body that is too long to be explained at once is refused with its rule, and no place in it.
#[tokio::test]
async fn a_long_body_is_refused_without_its_places() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::ruled(&ruled()).explaining().mint();
    let body = format!(r#"{{"base":"SENT","head":"agent/{}"}}"#, "x".repeat(20_000));
    let told = ask(&proxy, &token, "POST /pulls/k1", (&[JSON], &body)).await;
    assert_eq!(
        told.json()["detail"],
        "the token does not allow this request; rule 2 would, but body is not what the rule says of it"
    );
}

/// The ceiling is the operator's: its rules are told to nobody.
#[tokio::test]
async fn a_ceiling_is_not_told() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        let ceiling = r#"{"method":"POST","path":"/x","json":{"only":"HIDDEN"}}"#;
        settings.upstream_mut().ceiling = Some(rules(&[ceiling]));
    })
    .await;
    let token = Token::allowing(&["POST /x"]).explaining().mint();
    for (body, code) in [(r#"{"only":"x"}"#, "beyond_ceiling"), (r#"{"only":1}"#, "json_value")] {
        let told = ask(&proxy, &token, "POST /x", (&[JSON], body)).await;
        assert_eq!(told.code(), code);
        assert!(
            !told.text().contains("HIDDEN") && !told.text().contains("would"),
            "{}",
            told.text()
        );
        let question = json!({"method": "POST", "target": "/x", "body": body,
            "fields": [{"name": "Content-Type", "value": "application/json"}]});
        let told = explain(&proxy, &token, &question).await;
        assert_eq!((&told["code"], &told["unmet"]), (&code.into(), &Value::Null), "{told}");
        assert!(!told.to_string().contains("HIDDEN"), "{told}");
    }
}

async fn explain(proxy: &Proxy, token: &str, question: &Value) -> Value {
    let body = question.to_string();
    ask(proxy, token, "POST /__magictoken/explain", (&[JSON], &body)).await.json()
}

/// Questions are decided as the requests would be: with the same codes, and the same words.
#[tokio::test]
async fn a_question_is_decided_as_the_request() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().pass_request_headers = listed(&["X-Account"]);
    })
    .await;
    let silent = Token::ruled(&ruled()).mint();
    let explaining = Token::ruled(&ruled()).explaining().mint();
    for (line, fields, body, code, words) in CASES {
        let (method, target) = line.split_once(' ').unwrap();
        let fields: Vec<Value> = fields
            .iter()
            .filter_map(|field| field.split_once(": "))
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let question = json!({"method": method, "target": target, "fields": fields, "body": body});
        let told = explain(&proxy, &explaining, &question).await;
        assert_eq!(
            (&told["decision"], &told["code"]),
            (&"denied".into(), &code.into()),
            "{line} {told}"
        );
        for rule in told["unmet"].as_array().into_iter().flatten() {
            assert!(!rule["findings"].as_array().unwrap().is_empty(), "{told}");
            let number = rule["number"].as_u64().unwrap();
            let shown = number > 6 || words.contains(&format!("rule {number} would"));
            assert!(shown, "{line} {told}");
            assert_eq!(rule["list"], "token", "{told}");
        }
        let untold = explain(&proxy, &silent, &question).await;
        assert_eq!(untold["code"], code, "{line} {untold}");
        assert_eq!((&untold["unmet"], &untold["needed"]), (&Value::Null, &json!([])), "{untold}");
        assert!(!untold["reason"].as_str().unwrap().contains("would"), "{untold}");
    }
    assert!(upstream.take_requests().is_empty());
}

#[tokio::test]
async fn a_question_shows_its_own_values_to_its_bearer() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let token = Token::ruled(&ruled()).explaining().mint();
    let json = json!([{"name": "content-type", "value": "application/json"}]);
    let body = r#"{"base":"release","head":"agent/x","labels":[]}"#;
    let asked = |body: Value| {
        let mut question = json!({"method": "POST", "target": "/pulls/k1", "fields": json});
        question.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        question
    };
    let rule = "POST /pulls/{kind} captures {\"kind\":{\"glob\":\"k*\"}} json {\"base\":\"main\",\"head\":{\"glob\":\"agent/*\"},\"to?\":{\"each\":{\"object\":{\"name\":\"a\"}}}}";
    let expected = json!([{
        "rule": rule, "number": 2, "list": "token", "ends": false, "findings": [
            {"place": "json.base", "code": null, "found": "\"release\"", "expected": "must be \"main\""},
            {"place": "json.labels", "code": null, "found": null, "expected": "is not named by the rule"}
        ]
    }]);
    // The same body as a text and in base64.
    let encoded = "eyJiYXNlIjoicmVsZWFzZSIsImhlYWQiOiJhZ2VudC94IiwibGFiZWxzIjpbXX0=";
    for given in [json!({"body": body}), json!({"body_base64": encoded})] {
        let told = explain(&proxy, &token, &asked(given)).await;
        assert_eq!(told["unmet"], expected, "{told}");
    }
    let good = json!({"body": r#"{"base":"main","head":"agent/x"}"#});
    let told = explain(&proxy, &token, &asked(good)).await;
    assert_eq!((&told["decision"], &told["unmet"]), (&"allowed".into(), &Value::Null), "{told}");
    // Nobody said what the body is.
    let told = explain(&proxy, &token, &asked(json!({}))).await;
    assert_eq!((&told["decision"], &told["code"]), (&"undecided".into(), &Value::Null), "{told}");
    let told =
        explain(&proxy, &token, &json!({"method": "GET", "target": "/issues?state=all"})).await;
    assert_eq!(told["decision"], "allowed", "{told}");
    // A rule with an effect that cannot be judged ends the search.
    let form = json!([{"name": "content-type", "value": "application/x-www-form-urlencoded"}]);
    let question =
        json!({"method": "POST", "target": "/refunds", "fields": form, "body": "amount=1.0"});
    let told = explain(&proxy, &token, &question).await;
    assert_eq!(
        (&told["code"], &told["unmet"][0]["ends"]),
        (&"form_value".into(), &true.into()),
        "{told}"
    );
    assert!(upstream.take_requests().is_empty());
}
