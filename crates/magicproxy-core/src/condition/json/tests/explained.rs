//! The places that are not true.

use super::*;

#[track_caller]
fn check(test: &str, body: &str, expected: &[&str]) {
    let names = names(test);
    let test = JsonTest { object: Some(&names), each: None };
    let (outcome, findings) = JsonJudge::explain(body.as_bytes(), test, &[]);
    assert_eq!(outcome, judge(body.as_bytes(), &[test], &[], ALL));
    assert_eq!(outcome == TRUE, findings.is_empty(), "{body}");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected, "{body}");
}

#[test]
fn findings_name_places_and_values() {
    let pulls = "{\"base\":\"main\",\"head\":{\"glob\":\"agent/*\"},\"title\":{},\"body?\":{}}";
    check(pulls, "{\"base\":\"main\",\"head\":\"agent/a\",\"title\":\"\"}", &[]);
    check(
        pulls,
        "{\"base\":\"release\",\"head\":7,\"labels\":[\"a\"],\"Body\":1}",
        &[
            "json.base is \"release\"; must be \"main\"",
            "json.head is 7; must match `agent/*`",
            "json.labels is not named by the rule",
            "json.Body is taken for `body` by some readers",
            "json.title is missing; must be there",
        ],
    );
    check(
        pulls,
        "{\"base\":\"main\",\"base\":\"main\",\"head\":null,\"title\":1,\"a\\nb\":1}",
        &[
            "json.base is there twice",
            "json.head is null; must match `agent/*`",
            "json.a\\\\nb is a name that some readers cut or change",
        ],
    );
    check(pulls, "{", &["json cannot be judged: the body is not strict JSON"]);
    check(pulls, "[]", &["json is a list; must be an object"]);
    check(pulls, "7", &["json is neither an object nor a list; must be one of them"]);
}

#[test]
fn findings_lead_into_lists_and_objects() {
    check(
        "{\"to\":{\"count\":{\"max\":2},\"each\":{\"object\":{\"email\":\"a\",\"n?\":{\"each\":{\"min\":1}}}}},\"*\":{}}",
        "{\"to\":[{\"email\":\"a\"},{\"email\":\"b\",\"n\":[1,0,\"1\"]},[]],\"_method\":1}",
        &[
            "json.to[1].email is \"b\"; must be \"a\"",
            "json.to[1].n[1] is 0; must be an integer of at least 1",
            "json.to[1].n[2] is \"1\"; must be an integer of at least 1",
            "json.to[2] is a list; must be an object",
            "json.to is a list of 3; must be a list of at most 2 elements",
            "json._method overrides the method or the credential for some readers",
        ],
    );
    check(
        "{\"x\":{\"absent\":true},\"y?\":{\"object\":{}},\"*\":{\"type\":\"null\"}}",
        "{\"x\":{\"a\":[1]},\"y\":{\"x\":1},\"z\":{\"a\":1},\"w\":false}",
        &[
            "json.x must not be there",
            "json.y.x is not named by the rule",
            "json.z is an object; must be null",
            "json.w is false; must be null",
        ],
    );
}

#[test]
fn findings_of_a_list() {
    let test = value("[\"bug\",\"triage\"]");
    let test = JsonTest { object: None, each: Some(&test) };
    let (outcome, findings) = JsonJudge::explain(b"[\"bug\",\"x\"]", test, &[]);
    assert_eq!(outcome, FALSE);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["json_each[1] is \"x\"; must be one of \"bug\", \"triage\""]);
}

#[test]
fn findings_are_bounded() {
    let names = names("{}");
    let members: Vec<String> =
        (0..100).map(|at| format!("\"{at}{}\":1", "n".repeat(200))).collect();
    let body = format!("{{{}}}", members.join(","));
    let test = JsonTest { object: Some(&names), each: None };
    let (_, findings) = JsonJudge::explain(body.as_bytes(), test, &[]);
    assert_eq!(findings.len(), 16);
    assert!(findings.iter().all(|finding| finding.to_string().chars().count() < 120));
}
