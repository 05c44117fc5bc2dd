//! The cells of the table in `conditions.md` section 3.1, and sections 4.3 and 4.5.

use super::*;

/// Judges `{"x": …}` by a test of `x`.
#[track_caller]
fn check(test: &str, members: &str, expected: Outcome) {
    let outcome = of_object(&format!("{{\"x\":{test}}}"), &format!("{{{members}}}"));
    assert_eq!(outcome, expected, "{test} of {{{members}}}");
    // An optional name may be missing, and changes nothing else.
    let outcome = of_object(&format!("{{\"x?\":{test}}}"), &format!("{{{members}}}"));
    let expected = if members.is_empty() { TRUE } else { expected };
    assert_eq!(outcome, expected, "{test} at x? of {{{members}}}");
}

/// Checks a test of every kind with what is the same for all of them but `type` and `{}`.
#[track_caller]
fn check_kind(test: &str, right: &str, wrong: &str, other_types: &[&str]) {
    check(test, "", FALSE);
    check(test, &format!("\"x\":{right}"), TRUE);
    check(test, &format!("\"x\":{wrong}"), FALSE);
    for other in other_types {
        check(test, &format!("\"x\":{other}"), VALUE);
    }
    for (one, other) in [(right, right), (right, wrong), (wrong, right), (wrong, wrong)] {
        check(test, &format!("\"x\":{one},\"x\":{other}"), TWICE);
        check(test, &format!("\"x\":{one},\"\\u0078\":{other}"), TWICE);
        check(test, &format!("\"x\":{one},\"X\":{other}"), TWIN);
        check(test, &format!("\"X\":{one},\"x\":{other}"), TWIN);
    }
    check(test, &format!("\"X\":{right}"), TWIN);
}

#[test]
fn a_value_or_a_list_of_values() {
    let others = ["null", "5", "1.5", "true", "[]", "[\"main\"]", "{}", "{\"$ne\":\"\"}"];
    check_kind("\"main\"", "\"main\"", "\"release\"", &others);
    check_kind("[\"main\",\"next\"]", "\"next\"", "\"MAIN\"", &others);
    check_kind("\"main\"", r#""m\u0061in""#, "\"\"", &others);
    check_kind("\"é\"", r#""\u00e9""#, "\"e\u{301}\"", &others);
    check_kind("\"💧\"", r#""\ud83d\udca7""#, r#""\ud83d\udca8""#, &others);
    check_kind("5", "5", "7", &["null", "\"5\"", "5.0", "5e0", "50e-1", "true", "[5]", "{}"]);
    check_kind("[5,\"a\"]", "5", "\"5\"", &["null", "true", "[]", "{}"]);
    check_kind("0", "0", "1", &["-0", "0.0", "false", "\"\"", "null"]);
    check_kind("-1", "-1", "1", &["-1.0", "9007199254740992", "1e400"]);
    check_kind("true", "true", "false", &["null", "1", "\"true\"", "[]", "{}"]);
    check("null", "\"x\":null", TRUE);
    check("[\"a\",null]", "\"x\":null", TRUE);
    check("null", "", FALSE);
    for other in ["0", "false", "\"\"", "\"null\"", "[]", "{}"] {
        check("null", &format!("\"x\":{other}"), VALUE);
    }
}

#[test]
fn texts_with_control_characters_and_lone_surrogates() {
    for text in [
        r"\u0000",
        r"main\u0000",
        r"main\n",
        r"\tmain",
        r"main\u001f",
        r"main\u007f",
        "main\u{7f}",
        r"main\ud800",
        r"\udc00main",
        r"main\ud800\u0041",
        r"\udca7\ud83d",
        r"\ud83dmain",
    ] {
        check("\"main\"", &format!("\"x\":\"{text}\""), VALUE);
        check("{\"glob\":\"*\"}", &format!("\"x\":\"{text}\""), VALUE);
        check("{\"pattern\":\".*\"}", &format!("\"x\":\"{text}\""), VALUE);
        check("{}", &format!("\"x\":\"{text}\""), TRUE);
        check("{\"type\":\"string\"}", &format!("\"x\":\"{text}\""), TRUE);
        check("{\"type\":\"integer\"}", &format!("\"x\":\"{text}\""), FALSE);
        check("5", &format!("\"x\":\"{text}\""), VALUE);
    }
    // Blanks are none.
    check("\" main \"", "\"x\":\" main \"", TRUE);
    check("\"main\"", "\"x\":\" main\"", FALSE);
}

#[test]
fn globs_and_patterns() {
    let others = ["null", "5", "true", "[]", "{}"];
    check_kind("{\"glob\":\"agent/*\"}", "\"agent/a/b\"", "\"main\"", &others);
    check_kind("{\"glob\":[\"a*\",\"b*\"]}", r#""\u0062""#, "\"c\"", &others);
    check_kind("{\"pattern\":\"v[0-9]+\"}", "\"v12\"", "\"v12 \"", &others);
    check_kind("{\"glob\":\"v*\",\"pattern\":\".[0-9]+\"}", "\"v1\"", "\"w1\"", &others);
    check("{\"glob\":\"*\"}", "\"x\":\"é\"", FALSE);
    let long = "a".repeat(8 * 1024);
    check("{\"glob\":\"a*\"}", &format!("\"x\":\"{long}\""), TRUE);
    check("{\"glob\":\"a*\"}", &format!("\"x\":\"{long}a\""), VALUE);
    check("{\"glob\":\"b*\"}", &format!("\"x\":\"{long}a\""), VALUE);
    let escaped = r"\u0061".repeat(8 * 1024);
    check("{\"glob\":\"a*\"}", &format!("\"x\":\"{escaped}\""), TRUE);
    check("{\"glob\":\"a*\"}", &format!("\"x\":\"{escaped}a\""), VALUE);
}

#[test]
fn long_texts_are_compared_too() {
    let listed = "é".repeat(512);
    let escaped = r"\u00e9".repeat(512);
    check(&format!("\"{listed}\""), &format!("\"x\":\"{escaped}\""), TRUE);
    let long = "a".repeat(100_000);
    check("\"main\"", &format!("\"x\":\"{long}\""), FALSE);
    check("\"main\"", &format!("\"x\":\"{long}\\n\""), VALUE);
    check("\"main\"", &format!("\"x\":\"{long}\\ud800\""), VALUE);
    check("\"main\"", &format!("\"x\":\"{long}\u{7f}\""), VALUE);
    check("\"main\"", &format!("\"x\":\"{long}\\u0061\""), FALSE);
}

#[test]
fn integers_and_ranges() {
    let others = [
        "null",
        "\"5\"",
        "true",
        "[]",
        "{}",
        "5.0",
        "5e0",
        "5E+0",
        "-0",
        "0.5",
        "1e2",
        "9007199254740992",
        "-9007199254740992",
        "123456789012345678901234567890",
    ];
    check_kind("{\"min\":1,\"max\":9}", "5", "10", &others);
    check_kind("{\"min\":1}", "9007199254740991", "0", &others);
    check_kind("{\"max\":9}", "-9007199254740991", "10", &others);
}

#[test]
fn lists_and_objects() {
    let others = ["null", "\"a\"", "5", "true", "{}"];
    check_kind("{\"each\":\"a\"}", "[\"a\",\"a\"]", "[\"a\",\"b\"]", &others);
    check_kind("{\"count\":1}", "[{}]", "[]", &others);
    check_kind("{\"each\":\"a\",\"count\":{\"max\":1}}", "[\"a\"]", "[\"a\",\"a\"]", &others);
    check_kind("{\"each\":{\"each\":5}}", "[[5],[],[5,5]]", "[[5],[6]]", &others);
    check("{\"each\":\"a\"}", "\"x\":[]", TRUE);
    check("{\"each\":\"a\"}", "\"x\":[\"a\",5]", VALUE);
    check("{\"each\":\"a\"}", "\"x\":[5,\"b\"]", FALSE);
    let others = ["null", "\"a\"", "5", "true", "[]", "[{\"y\":1}]"];
    check_kind("{\"object\":{\"y\":1}}", "{\"y\":1}", "{\"y\":2}", &others);
    check_kind("{\"object\":{\"y\":1}}", "{\"y\":1}", "{\"y\":1,\"z\":1}", &others);
    check_kind("{\"object\":{\"y?\":1}}", "{}", "{\"z\":1}", &others);
    check_kind("{\"object\":{\"*\":1}}", "{\"z\":1}", "{\"z\":2}", &others);
    check("{\"object\":{\"y\":1}}", "\"x\":{\"y\":1,\"y\":1}", TWICE);
    check("{\"object\":{\"y\":1}}", "\"x\":{\"Y\":1}", TWIN);
    check("{\"object\":{\"y\":1}}", "\"x\":{\"y\":\"1\"}", VALUE);
}

#[test]
fn types() {
    let values = [
        ("string", "\"a\""),
        ("integer", "5"),
        ("boolean", "true"),
        ("null", "null"),
        ("array", "[1,{}]"),
        ("object", "{\"y\":[]}"),
    ];
    for (name, right) in values {
        let test = format!("{{\"type\":\"{name}\"}}");
        check(&test, "", FALSE);
        for (other, value) in values {
            let expected = if name == other { TRUE } else { FALSE };
            check(&test, &format!("\"x\":{value}"), expected);
        }
        check(&test, &format!("\"x\":{right},\"x\":{right}"), TWICE);
        check(&test, &format!("\"x\":{right},\"X\":{right}"), TWIN);
    }
    for number in ["1.5", "1e3", "-0", "9007199254740992"] {
        check("{\"type\":\"number\"}", &format!("\"x\":{number}"), TRUE);
        check("{\"type\":[\"number\",\"integer\"]}", &format!("\"x\":{number}"), TRUE);
        check("{\"type\":\"integer\"}", &format!("\"x\":{number}"), VALUE);
        check("{\"type\":\"string\"}", &format!("\"x\":{number}"), FALSE);
    }
    check("{\"type\":\"number\"}", "\"x\":5", TRUE);
    check("{\"type\":[\"null\",\"array\"]}", "\"x\":null", TRUE);
}

#[test]
fn anything() {
    check("{}", "", FALSE);
    for value in ["null", "5", "1e999", "\"\"", "[[],{\"a\":1,\"a\":2}]", "{\"A\":1,\"a\":2}"] {
        check("{}", &format!("\"x\":{value}"), TRUE);
        check("{}", &format!("\"x\":{value},\"x\":{value}"), TWICE);
        check("{}", &format!("\"x\":{value},\"_x\":{value}"), TWIN);
    }
}

#[test]
fn absence() {
    let absent = "{\"x\":{\"absent\":true},\"*\":{}}";
    for (members, expected) in [
        ("{}", TRUE),
        ("{\"y\":1}", TRUE),
        ("{\"x\":null}", FALSE),
        ("{\"x\":1}", FALSE),
        ("{\"x\":{}}", FALSE),
        ("{\"x\":1,\"x\":2}", FALSE),
        ("{\"X\":1}", TWIN),
        ("{\"X\":1,\"x\":1}", TWIN),
        ("{\"x\":1,\"x-\":1}", TWIN),
    ] {
        assert_eq!(of_object(absent, members), expected, "{members}");
    }
}

#[test]
fn names_that_are_not_listed() {
    for (test, body, expected) in [
        ("{}", "{}", TRUE),
        ("{}", "{\"a\":1}", FALSE),
        ("{}", "{\"\":null}", FALSE),
        ("{\"x?\":1}", "{\"y\":1}", FALSE),
        ("{\"x?\":1}", "{\"x\":\"1\",\"y\":1}", FALSE),
        ("{\"x?\":1}", "{\"y\":1,\"X\":1}", FALSE),
        ("{\"x\":1}", "{\"xy\":1}", FALSE),
        ("{\"x\":1,\"*\":{}}", "{\"x\":1,\"y\":{\"a\":1,\"a\":2},\"y\":2}", TRUE),
        ("{\"*\":\"a\"}", "{\"y\":\"a\",\"z\":\"a\"}", TRUE),
        ("{\"*\":\"a\"}", "{\"y\":\"a\",\"y\":\"b\"}", FALSE),
        ("{\"*\":\"a\"}", "{\"y\":\"b\",\"y\":\"a\"}", FALSE),
        ("{\"*\":\"a\"}", "{\"y\":\"a\",\"z\":5}", VALUE),
        ("{\"*\":{\"type\":\"null\"}}", "{\"y\":null}", TRUE),
        ("{\"*\":{\"object\":{\"y\":1}}}", "{\"a\":{\"y\":1},\"b\":{\"y\":1}}", TRUE),
        ("{\"*\":{\"object\":{\"y\":1}}}", "{\"a\":{\"y\":1},\"b\":{\"y\":2}}", FALSE),
        ("{\"x\":1,\"*\":\"a\"}", "{\"x\":1,\"X\":\"b\"}", TWIN),
    ] {
        assert_eq!(of_object(test, body), expected, "{test} of {body}");
    }
}

/// A reader may cut such a name, or change it into any other one.
#[test]
fn names_with_control_characters_and_lone_surrogates() {
    for name in [r"x\u0000", r"\u0000", r"a\nb", "a\u{7f}", r"x\ud800", r"\udfff", r"\u001f"] {
        for test in ["{\"*\":{}}", "{\"x\":1,\"*\":{}}", "{\"x?\":1}", "{}"] {
            assert_eq!(of_object(test, &format!("{{\"{name}\":1}}")), TWIN, "{test} {name}");
        }
        let body = format!("{{\"x\":2,\"{name}\":1}}");
        assert_eq!(of_object("{\"x\":1}", &body), TWIN, "{name}");
        // Where another name is refused, this one makes no difference.
        assert_eq!(of_object("{}", &format!("{{\"y\":2,\"{name}\":1}}")), FALSE, "{name}");
        // Below `{}` only the grammar counts.
        assert_eq!(of_object("{\"x\":{}}", &format!("{{\"x\":{{\"{name}\":1}}}}")), TRUE);
    }
}

#[test]
fn twins_of_names() {
    for (listed, twin) in [
        ("base", "Base"),
        ("base", "BASE"),
        ("base", "ba\u{17f}e"),
        ("base", r"ba\u017fe"),
        ("key", "\u{212a}ey"),
        ("headRef", "head_ref"),
        ("head_ref", "headRef"),
        ("head-ref", "headref"),
        ("head_ref", "head-ref"),
        ("straße", "STRASSE"),
        ("x", "_x_"),
        ("größe", "GRÖSSE"),
        ("filter", "$filter"),
        ("$filter", "filter"),
        ("@odata.type", "@type"),
        ("@type", "@OData.Type"),
        ("type", "@odata.type"),
        ("type", "$@type"),
    ] {
        let test = format!("{{\"{listed}\":1,\"*\":{{}}}}");
        let both = format!("{{\"{listed}\":1,\"{twin}\":1}}");
        assert_eq!(of_object(&test, &both), TWIN, "{listed} {twin}");
        assert_eq!(of_object(&test, &format!("{{\"{twin}\":1}}")), TWIN, "{listed} {twin}");
    }
    for (listed, other) in [
        ("base", "bases"),
        ("base", "bаse"),
        ("a", "á"),
        ("a.b", "ab"),
        ("type", "odata.type"),
        ("a", "a@b"),
        ("a", "a$"),
    ] {
        let test = format!("{{\"{listed}\":1,\"*\":{{}}}}");
        let both = format!("{{\"{listed}\":1,\"{other}\":2}}");
        assert_eq!(of_object(&test, &both), TRUE, "{listed} {other}");
    }
}

#[test]
fn names_that_override() {
    let guarded = ["private_token".to_owned(), "job_token".to_owned()];
    let names = names("{\"x?\":{\"object\":{\"*\":{}}},\"*\":{}}");
    let closed = super::names("{\"x?\":{}}");
    let listed = super::names("{\"private_token\":\"a\"}");
    for (name, expected) in [
        ("_method", OVERRIDE),
        ("_METHOD", OVERRIDE),
        ("-method", OVERRIDE),
        (r"_meth\u006fd", OVERRIDE),
        ("[_method]", OVERRIDE),
        ("X-HTTP-Method-Override", OVERRIDE),
        ("x_http_method", OVERRIDE),
        ("$httpMethod", OVERRIDE),
        ("private_token", OVERRIDE),
        ("Private-Token", OVERRIDE),
        ("privateToken", OVERRIDE),
        ("job_token", OVERRIDE),
        ("method", TRUE),
        ("token", TRUE),
    ] {
        let of = |names, body: &str| {
            let test = JsonTest { object: Some(names), each: None };
            judge(body.as_bytes(), &[test], &guarded, ALL)
        };
        assert_eq!(of(&names, &format!("{{\"{name}\":1}}")), expected, "{name}");
        assert_eq!(of(&names, &format!("{{\"x\":{{\"{name}\":1}}}}")), TRUE, "{name}");
        assert_eq!(of(&closed, &format!("{{\"{name}\":1}}")), FALSE, "{name}");
        if name == "private_token" {
            assert_eq!(of(&listed, &format!("{{\"{name}\":\"a\"}}")), OVERRIDE);
        }
    }
}

#[test]
fn bodies_as_a_whole() {
    for body in ["5", "\"main\"", "true", "null", "-0"] {
        assert_eq!(of_object("{\"*\":{}}", body), VALUE, "{body}");
        assert_eq!(of_each("{}", body), VALUE, "{body}");
    }
    assert_eq!(of_object("{\"*\":{}}", "[]"), VALUE);
    assert_eq!(of_object("{\"*\":{}}", "[{}]"), VALUE);
    assert_eq!(of_each("{}", "{}"), VALUE);
    assert_eq!(of_each("\"a\"", "[]"), TRUE);
    assert_eq!(of_each("\"a\"", "[\"a\",\"a\"]"), TRUE);
    assert_eq!(of_each("\"a\"", "[\"a\",\"b\"]"), FALSE);
    assert_eq!(of_each("\"a\"", "[\"a\",1]"), VALUE);
    assert_eq!(of_each("{\"object\":{\"x\":1}}", "[{\"x\":1},{\"x\":2}]"), FALSE);
    assert_eq!(of_each("{\"each\":{\"each\":1}}", "[[[1]],[[1,1],[]]]"), TRUE);
    let (names, each) = (names("{\"x\":1}"), value("1"));
    let both = [JsonTest { object: Some(&names), each: Some(&each) }];
    assert_eq!(judge(b"{\"x\":1}", &both, &[], ALL), TRUE);
    assert_eq!(judge(b"[1,1]", &both, &[], ALL), TRUE);
    assert_eq!(judge(b"[2]", &both, &[], ALL), FALSE);
}

/// A member is found at its own place only, whatever stands around it.
#[test]
fn places_are_kept_apart() {
    let test = "{\"a\":{\"object\":{\"x\":1,\"b?\":{\"each\":{\"object\":{\"x\":2}}}}},\"x\":3}";
    for (body, expected) in [
        ("{\"a\":{\"x\":1},\"x\":3}", TRUE),
        ("{\"x\":3,\"a\":{\"b\":[{\"x\":2},{\"x\":2}],\"x\":1}}", TRUE),
        ("{\"x\":3,\"a\":{\"b\":[{\"x\":2},{\"x\":1}],\"x\":1}}", FALSE),
        ("{\"x\":3,\"a\":{\"b\":[{\"x\":2}]}}", FALSE),
        ("{\"a\":{\"x\":3},\"x\":1}", FALSE),
        ("{\"a\":{\"x\":1}}", FALSE),
        ("{\"a\":{\"x\":1},\"x\":3,\"a\":{\"x\":1}}", TWICE),
        ("{\"a\":{\"x\":1},\"x\":3,\"a\":7}", TWICE),
    ] {
        assert_eq!(of_object(test, body), expected, "{body}");
    }
}

/// Each rule gets its own outcome, with its own first reason.
#[test]
fn rules_are_judged_side_by_side() {
    let tests = [
        "{\"a\":1,\"b\":{\"object\":{\"c\":\"x\"}}}",
        "{\"a\":2,\"*\":{}}",
        "{\"a\":{},\"b\":{}}",
        "{\"A\":1,\"*\":{}}",
        "{\"a\":\"1\",\"b\":{\"object\":{\"c\":1}}}",
        "{\"a\":\"1\",\"b\":{\"object\":{\"C\":1}}}",
        "{\"a\":1,\"b\":{\"each\":{}}}",
    ];
    let names = tests.map(names);
    let mut tests: Vec<JsonTest<'_>> =
        names.iter().map(|names| JsonTest { object: Some(names), each: None }).collect();
    let each = value("{}");
    tests.push(JsonTest { object: None, each: Some(&each) });
    let outcomes = judge_all(br#"{"a":1,"b":{"c":"x"}}"#, &tests, &[], ALL);
    assert_eq!(outcomes, [TRUE, FALSE, TRUE, TWIN, VALUE, VALUE, VALUE, VALUE]);
}

/// A reader takes the first, the last or each of two members of one name. So a name that `"*"`
/// stands for is right where each of its values is.
#[test]
fn each_value_of_a_repeated_name_is_judged() {
    let values = [("1", TRUE), ("2", FALSE), ("\"1\"", VALUE)];
    let worse = |one: Outcome, other: Outcome| match (one, other) {
        (FALSE, _) | (_, FALSE) => FALSE,
        (VALUE, _) | (_, VALUE) => VALUE,
        _ => TRUE,
    };
    for rule in [r#"{"*":1}"#, r#"{"x?":{},"*":1}"#] {
        for (one, first) in values {
            assert_eq!(of_object(rule, &format!(r#"{{"y":{one}}}"#)), first, "{rule} {one}");
            for (other, second) in values {
                for again in ["y", r"\u0079", "Y"] {
                    let body = format!(r#"{{"y":{one},"{again}":{other}}}"#);
                    assert_eq!(of_object(rule, &body), worse(first, second), "{rule} {body}");
                }
            }
        }
    }
    let inner = r#"{"a":{"object":{"*":{"object":{"b":1}}}}}"#;
    for (one, other, expected) in [(1, 1, TRUE), (1, 2, FALSE), (2, 1, FALSE)] {
        let body = format!(r#"{{"a":{{"y":{{"b":{one}}},"y":{{"b":{other}}}}}}}"#);
        assert_eq!(of_object(inner, &body), expected, "{body}");
    }
}

/// Some readers in JavaScript take the members of `__proto__` for those of the object.
#[test]
fn a_name_of_the_prototype_doubts_all() {
    for rule in
        [r#"{"x?":1}"#, r#"{"x?":1,"*":{}}"#, r#"{"*":{}}"#, r#"{"x":{"absent":true},"*":{}}"#]
    {
        for name in ["__proto__", r"\u005f_proto__"] {
            for value in [r#"{"x":2}"#, "1", "null"] {
                let body = format!(r#"{{"{name}":{value}}}"#);
                let expected =
                    if rule.contains('*') { TWIN } else { of_object(rule, r#"{"a\u0000":1}"#) };
                assert_eq!(of_object(rule, &body), expected, "{rule} {body}");
            }
        }
    }
    let open = r#"{"x?":1,"*":{}}"#;
    for body in [
        r#"{"constructor":{"prototype":{"x":2}}}"#,
        r#"{"prototype":{"x":2}}"#,
        r#"{"__PROTO__":1}"#,
        // Below `{}` only the grammar counts.
        r#"{"y":{"__proto__":{"x":2}}}"#,
    ] {
        assert_eq!(of_object(open, body), TRUE, "{body}");
    }
    let inner = r#"{"y":{"object":{"x?":1,"*":{}}}}"#;
    assert_eq!(of_object(inner, r#"{"y":{"__proto__":{"x":2}}}"#), TWIN);
}
