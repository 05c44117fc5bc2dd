//! `explain` of rules with conditions: which condition of which rule is not true, what would do, and
//! what is not decided without a body or a value.

use serde_json::{Value, json};

use crate::mint;
use crate::ports::reserved_port;
use crate::program::{Output, Place, SECRET};

const PULLS: &str = r#"{"method":"POST","path":"/pulls","json":{"base":"main","head":{"glob":"agent/*"},"title":{}}}"#;
const REFUNDS: &str = r#"{"method":"POST","path":"/refunds","limit":{"total":9},"form":{"amount":{"min":1,"max":5000}},"headers":{"x-account":{"absent":true},"x-kind":"a"}}"#;
const ISSUES: &str = r#"{"method":"GET","path":"/issues","query":{"state":["open","all"]}}"#;
const JSON: [&str; 2] = ["--header", "Content-Type: application/json"];
const FORM: [&str; 4] =
    ["--header", "Content-Type: application/x-www-form-urlencoded", "--header", "x-kind: a"];

fn place() -> Place {
    let place = Place::with_keys();
    place.write(
        "magicproxy.toml",
        "[upstream]\npreset = 'github'\npass_request_headers = ['X-Account', 'X-Kind']\ndrop_query_parameters = ['dropped']\n",
    );
    place
}

/// Arguments behind the token, body, exit code, and the lines in their order.
type Case = (&'static [&'static str], Option<&'static str>, i32, &'static [&'static str]);

const GOOD: &str = r#"{"base":"main","head":"agent/x","title":"t"}"#;

const CASES: [Case; 15] = [
    (
        &["POST", "/pulls"],
        Some(GOOD),
        0,
        &["allowed: POST /pulls", "  by the rule `POST /pulls json {"],
    ),
    (
        &["POST", "/pulls"],
        Some(r#"{"base":"release","head":"agent/x","labels":["a"]}"#),
        3,
        &[
            "denied: POST /pulls",
            "  not_allowed: the token does not allow this request",
            "  rule 2 `POST /pulls` would, but",
            "    json.base is \"release\"; must be \"main\"",
            "    json.labels is not named by the rule",
            "    json.title is missing; must be there",
        ],
    ),
    (
        &["POST", "/pulls"],
        Some(r#"{"base":"main","Base":"x","head":"agent/x","title":1}"#),
        3,
        &[
            "  json_twin: ",
            "  rule 2 `POST /pulls` would, but",
            "    json.Base is taken for `base` by some readers",
        ],
    ),
    (
        &["POST", "/pulls"],
        None,
        2,
        &["not decided: POST /pulls", "  a rule looks into the body: `--body FILE` gives it"],
    ),
    (&["POST", "/pulls?x=1"], None, 3, &["denied", "    query.x is not named by the rule"]),
    (&["GET", "/issues?state=all"], None, 0, &["allowed: GET /issues?state=all"]),
    (&["GET", "/issues?state=all&dropped=1"], None, 0, &["allowed: GET /issues?state=all"]),
    (
        &["GET", "/issues?state=closed"],
        None,
        3,
        &[
            "  rule 4 `GET /issues` would, but",
            "    query.state is \"closed\"; must be one of \"open\", \"all\"",
        ],
    ),
    (&["GET", "/issues?state=all"], Some("{}"), 3, &["    body must be empty"]),
    (&["POST", "/refunds"], Some("amount=5000"), 0, &["allowed"]),
    (
        &["POST", "/refunds"],
        Some("payment=1"),
        3,
        &[
            "  rule 3 `POST /refunds` would, but",
            "    form.payment is not named by the rule",
            "    form.amount is missing; must be an integer from 1 to 5000",
        ],
    ),
    (
        &["POST", "/refunds"],
        Some("amount=1.0"),
        3,
        &[
            "  form_value: ",
            "    form.amount is \"1.0\"; must be an integer from 1 to 5000",
            "    it has an effect and cannot be judged, so no later rule was tried",
        ],
    ),
    (
        &["POST", "/refunds", "--header", "X-Account: acct_1"],
        Some("amount=1"),
        3,
        &["    headers.x-account is \"acct_1\"; must not be there", "  header `x-account` passes"],
    ),
    (
        &["POST", "/refunds", "--header", "X-Account"],
        Some("amount=1"),
        3,
        &["    headers.x-account"],
    ),
    (
        &["GET", "/plain", "--header", "Authorization: Bearer hidden"],
        None,
        0,
        &["allowed", "  header `authorization` is dropped"],
    ),
];

/// Explains one case, with the content type that its path has.
fn explain(place: &Place, token: &str, case: &Case, more: &[&str]) -> Output {
    let (args, body, ..) = case;
    let mut command = [&["explain", token], *args, more].concat();
    match args[1] {
        "/refunds" => command.extend(FORM),
        _ => command.extend(JSON),
    }
    if let Some(body) = body {
        place.write("body", body);
        command.extend(["--body", "body"]);
    }
    place.program(&command).output()
}

#[track_caller]
fn check(case: &Case, output: &Output) {
    let (_, _, code, lines) = case;
    assert_eq!(output.code, *code, "{case:?}: {output:?}");
    let mut rest = output.stdout.as_str();
    for line in *lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} of {case:?} in {output:?}"));
        rest = &rest[at + line.len()..];
    }
    assert!(!output.stdout.contains("hidden"), "{output:?}");
}

#[test]
fn a_decision_says_which_condition_is_not_true() {
    let place = place();
    let token = mint(&place, &["GET /plain", PULLS, REFUNDS, ISSUES]);
    for case in &CASES {
        check(case, &explain(&place, &token, case, &[]));
    }
}

/// A running proxy says the same, to the bearer of a token that explains.
#[test]
fn a_proxy_says_the_same() {
    let place = place();
    let minted = |more: &[&str]| {
        let mut command = vec!["mint", "--credential-env", "SECRET"];
        for rule in ["GET /plain", PULLS, REFUNDS, ISSUES] {
            command.extend(["--allow", rule]);
        }
        command.extend(more);
        let minted = place.program(&command).env("SECRET", SECRET).output();
        assert_eq!(minted.code, 0, "{minted:?}");
        minted.stdout.trim().to_owned()
    };
    let (silent, explaining) = (minted(&[]), minted(&["--explain"]));
    let address = format!("127.0.0.1:{}", reserved_port());
    let serving = place.program(&["serve", "--listen", &address]).spawn();
    while std::net::TcpStream::connect(&address).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let url = format!("http://{address}");
    for case in &CASES {
        check(case, &explain(&place, &explaining, case, &["--proxy", &url]));
        let untold = explain(&place, &silent, case, &["--proxy", &url]);
        assert_eq!(untold.code, case.2, "{case:?}: {untold:?}");
        assert!(!untold.stdout.contains("would"), "{untold:?}");
    }
    let long = format!("\"{}\"", "x".repeat(70_000));
    place.write("body", &long);
    let command = ["explain", &explaining, "POST", "/pulls", "--body", "body", "--proxy", &url];
    let refused = place.program(&command).output();
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
    assert!(refused.stderr.contains("without `--proxy`"), "{refused:?}");
    let output = serving.terminate();
    assert!(!output.said().contains("release"), "{output:?}");
}

#[test]
fn what_a_question_lacks_is_said() {
    let place = place();
    let token = mint(&place, &[PULLS, REFUNDS]);
    place.write("body", GOOD);
    let untyped = place.program(&["explain", &token, "POST", "/pulls", "--body", "body"]).output();
    for part in [
        "body_type",
        "content_type is missing; must be application/json",
        "--header 'Content-Type: application/json'",
    ] {
        assert!(untyped.stdout.contains(part), "{part} in {untyped:?}");
    }
    assert_eq!(untyped.code, 3, "{untyped:?}");
    let form =
        [&["explain", &token, "POST", "/refunds", "--body", "-", "--header", "X-Kind"], &FORM[..2]]
            .concat();
    let nameless = place.program(&form).stdin("amount=1").output();
    assert!(nameless.stdout.contains("`--header 'x-kind: VALUE'`"), "{nameless:?}");
    let remarked =
        place.program(&["explain", &token, "POST", "/x", "--header", "Cookie: hidden"]).output();
    assert!(remarked.stderr.contains("the value of `Cookie` is left out"), "{remarked:?}");
    assert!(!remarked.said().contains("hidden"), "{remarked:?}");
    for (args, part) in [
        (&["explain", "-", "POST", "/x", "--body", "-"][..], "not both"),
        (&["explain", &token, "POST", "/x", "--header", "a: b\nc"], "in one line"),
    ] {
        let refused = place.program(args).stdin("x").output();
        assert_eq!((refused.code, refused.stderr.contains(part)), (2, true), "{refused:?}");
    }
    let missing = place.program(&["explain", &token, "POST", "/x", "--body", "none"]).output();
    assert_eq!((missing.code, missing.stderr.contains("`none`")), (1, true), "{missing:?}");
}

#[test]
fn findings_are_data() {
    let place = place();
    let token = mint(&place, &[PULLS]);
    let json = |body: Option<&str>| -> (i32, Value) {
        let mut command = vec!["explain", &token, "POST", "/pulls", "--json"];
        command.extend(JSON);
        if let Some(body) = body {
            place.write("body", body);
            command.extend(["--body", "body"]);
        }
        let output = place.program(&command).output();
        (output.code, serde_json::from_str(&output.stdout).unwrap())
    };
    let (code, told) = json(Some(r#"{"base":5,"Head":"","head":"agent/x","title":null}"#));
    assert_eq!((code, &told["code"]), (3, &"json_value".into()), "{told}");
    assert_eq!(
        (&told["unmet"][0]["number"], &told["unmet"][0]["list"]),
        (&1.into(), &"token".into())
    );
    assert_eq!(
        told["unmet"][0]["findings"],
        json!([
            {"place": "json.base", "code": "json_value", "found": "5", "expected": "must be \"main\""},
            {"place": "json.Head", "code": "json_twin", "found": null, "expected": "is taken for `head` by some readers"},
        ])
    );
    let (code, told) = json(None);
    assert_eq!(
        (code, &told["decision"], &told["code"]),
        (2, &"undecided".into(), &Value::Null),
        "{told}"
    );
    let (code, told) = json(Some(GOOD));
    assert_eq!((code, &told["unmet"]), (0, &json!([])), "{told}");
}

/// Each list must allow: the first that does not is explained, and its rules alone.
#[test]
fn the_list_that_denies_is_explained() {
    let place = place();
    place.write(
        "magicproxy.toml",
        "[upstream]\npreset = 'github'\n[[upstream.ceiling]]\nmethod = 'POST'\npath = '/.*'\njson = { title = 'x', '*' = {} }\n",
    );
    let exported = place.program(&["keys", "export-public", "--jwks"]).output();
    place.write("proxy.jwks", &exported.stdout);
    let sealed = ["mint", "--to", "proxy.jwks", "--aud", "github", "--credential-env", "SECRET"];
    let minted = [&sealed[..], &["--allow", PULLS, "--allow", "POST /pulls"]].concat();
    let minted = place.program(&minted).env("SECRET", SECRET).output();
    let token = minted.stdout.trim();
    let caveat = r#"{"method":"POST","path":"/pulls","json":{"base":"main","*":{}}}"#;
    let narrowed = place.program(&["narrow", token, "--allow", caveat]).output();
    let narrowed = narrowed.stdout.trim();
    for (token, body, code, part) in [
        (
            token,
            r#"{"title":"y"}"#,
            "beyond_ceiling",
            "rule 1 of the ceiling `POST /.*` would, but\n    json.title is \"y\"; must be \"x\"\n",
        ),
        (
            narrowed,
            r#"{"title":"x","base":"next"}"#,
            "beyond_caveat",
            "rule 1 of a caveat `POST /pulls` would, but\n    json.base is \"next\"; must be \"main\"\n",
        ),
    ] {
        place.write("body", body);
        let command = [&["explain", token, "POST", "/pulls", "--body", "body"], &JSON[..]].concat();
        let told = place.program(&command).output();
        assert!(told.stdout.contains(code) && told.stdout.contains(part), "{told:?}");
        assert_eq!(told.stdout.matches("would, but").count(), 1, "{told:?}");
    }
}
