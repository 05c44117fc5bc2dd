//! The rows of `conditions.md` sections 3.1 and 4.2, and a naive evaluator that agrees.

mod bounds;
mod explained;
mod naive;

use serde_json::{Value, json};

use crate::condition::json::Progress;
use crate::condition::names::NamesTest;
use crate::condition::parse::{Place, Reader};
use crate::pattern::Budget;
use crate::rule::MAX_LIST_STEPS;

use super::*;

const GUARDED: &str = "private_token";

fn names(written: &Value, place: Place) -> NamesTest {
    let mut budget = Budget::new(MAX_LIST_STEPS);
    Reader::new(&mut budget)
        .names(written, place)
        .unwrap_or_else(|fault| panic!("{written}: {fault}"))
}

/// Returns `true`, `false`, or the code of the reason.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::True => "true",
        Outcome::False => "false",
        Outcome::Unknown(reason) => reason.code(),
    }
}

/// A query without a cache.
fn view(text: &str, plus: PlusReading) -> QueryView<'_> {
    QueryView { text, plus, cache: None }
}

fn of_query(test: &NamesTest, query: &str, plus: PlusReading) -> &'static str {
    word(judge_query(test, view(query, plus), &mut Steps::new(usize::MAX)))
}

fn of_form(test: &NamesTest, body: &[u8]) -> &'static str {
    let guarded = [GUARDED.to_owned()];
    let mut judge = FormJudge::new(body, vec![test], &guarded);
    while judge.advance(7) == Progress::More {}
    word(judge.outcomes()[0])
}

/// Judges each text as a query and as a form. `expected` is `true`, `false`, or a reason's code
/// without its part: `twin` is `query_twin` and `form_twin`.
#[track_caller]
fn check(written: Value, cases: &[(&str, &str)]) {
    let test = names(&written, Place::Form);
    for (text, expected) in cases {
        let with_part = |part: &str| match *expected {
            "true" | "false" => (*expected).to_owned(),
            reason => format!("{part}_{reason}"),
        };
        assert_eq!(of_form(&test, text.as_bytes()), with_part("form"), "{written}: {text:?}");
        if *expected != "override" {
            let query = of_query(&test, text, PlusReading::Blank);
            assert_eq!(query, with_part("query"), "{written}: {text:?}");
        }
    }
}

#[test]
fn a_value_is_compared() {
    check(
        json!({"x": "main"}),
        &[
            ("x=main", "true"),
            ("x=m%61in", "true"),
            ("%78=main", "true"),
            ("&x=main&", "true"),
            ("", "false"),
            ("x=", "false"),
            ("x=Main", "false"),
            ("x=main%20", "false"),
            ("x=main2", "false"),
            ("x=5", "false"),
            ("x=main%00", "value"),
            ("x=main%0A", "value"),
            ("x=%7F", "value"),
            ("x=main&x=main", "twice"),
            ("x=main&x=other", "twice"),
            ("x=other&x=other", "twice"),
            ("x=main&y=1", "false"),
            ("y=1", "false"),
        ],
    );
    check(
        json!({"x": ["bug", 5, true], "y?": "z"}),
        &[
            ("x=bug", "true"),
            ("x=5", "true"),
            ("x=true", "true"),
            ("x=5&y=z", "true"),
            ("x=5&y=zz", "false"),
            ("y=z", "false"),
            ("x=6", "false"),
            ("x=True", "false"),
            ("x=05", "value"),
            ("x=%2B5", "value"),
            ("x=5.0", "value"),
            ("x=5&y=z&y=z", "twice"),
        ],
    );
}

#[test]
fn texts_and_integers_are_tested() {
    check(
        json!({"x": {"glob": "agent/*"}}),
        &[
            ("x=agent/a", "true"),
            ("x=agent%2Fa+b", "true"),
            ("x=agent%2Fa%20b", "true"),
            ("x=", "false"),
            ("x=agent/%C3%A9", "false"),
            ("x=agent/%0A", "value"),
            ("", "false"),
            ("x=agent/a&x=agent/a", "twice"),
        ],
    );
    let longest = format!("x={}", "a".repeat(8_192));
    let longer = format!("x={}", "a".repeat(8_193));
    check(json!({"x": {"pattern": "a+"}}), &[(&longest, "true"), (&longer, "value")]);
    check(
        json!({"x?": {"min": 1, "max": 500}}),
        &[
            ("", "true"),
            ("x=1", "true"),
            ("x=500", "true"),
            ("x=0", "false"),
            ("x=501", "false"),
            ("x=-1", "false"),
            ("x=", "value"),
            ("x=01", "value"),
            ("x=+1", "value"),
            ("x=1.0", "value"),
            ("x=1e0", "value"),
            ("x=%201", "value"),
            ("x=0x1", "value"),
            ("x=9007199254740992", "value"),
            ("x=1&x=1", "twice"),
        ],
    );
    check(
        json!({"x": {"type": "integer"}, "y?": {}}),
        &[
            ("x=1", "true"),
            ("x=01", "value"),
            ("x=1&y", "syntax"),
            ("x=1&y=%00", "true"),
            ("x=1&y=1&y=1", "twice"),
        ],
    );
}

#[test]
fn absence_is_tested() {
    check(
        json!({"x": {"absent": true}, "*": {}}),
        &[
            ("", "true"),
            ("y=1&y=2&z", "true"),
            ("x=1", "false"),
            ("x=1&x=1", "false"),
            ("x", "syntax"),
            ("X=1", "twin"),
            ("x[]=1", "twin"),
        ],
    );
    check(json!({}), &[("", "true"), ("&&", "true"), ("x=1", "false"), ("x", "false")]);
    check(
        json!({"*": {"glob": "a*"}}),
        &[("x=a&y=ab", "true"), ("x=a&y=b", "false"), ("x", "false"), ("x=a%00", "value")],
    );
}

/// Some readers join the values of a name that is there twice: `a,b` is neither `a` nor `b`.
#[test]
fn a_name_that_is_not_listed_has_one_value() {
    for test in [json!("a"), json!(["a", "b"]), json!({"glob": "*"}), json!({"type": "string"})] {
        check(
            json!({"x?": {}, "*": test}),
            &[
                ("y=a", "true"),
                ("y=a&z=a&Y=a", "true"),
                ("y=a&y=a", "twice"),
                ("y=a&z=a&%79=a", "twice"),
                ("y[]=a&y[]=a", "twice"),
                ("x=1&x=1&y=a", "twice"),
            ],
        );
    }
    check(json!({"*": "a"}), &[("y=a&y=b", "false"), ("y=b&y=a", "false")]);
    check(
        json!({"*": {"each": "a"}}),
        &[("y=a&y=a", "true"), ("y=a&y=b", "false"), ("y=b&y=a", "false")],
    );
    check(json!({"*": {}}), &[("y=a&y=b", "true")]);
}

#[test]
fn a_name_of_the_prototype_is_unknown() {
    let open = json!({"x?": {}, "y[*]": {}, "*": {}});
    for text in [
        "__proto__=1",
        "__proto__[x]=1",
        "__proto__.x=1",
        "y[__proto__]=1",
        "z[__proto__][x]=1",
        "z.__proto__.x=1",
        "%5F_proto__[x]=1",
    ] {
        check(open.clone(), &[(text, "syntax")]);
    }
    check(open, &[("__PROTO__=1&y[constructor]=1&prototype=1", "true"), ("z=__proto__", "true")]);
}

#[test]
fn parameters_may_be_repeated() {
    check(
        json!({"x": {"each": ["a", "b"], "count": {"max": 2}}}),
        &[
            ("x=a", "true"),
            ("x=a&x=b", "true"),
            ("x=a&x=c", "false"),
            ("x=a&x=b&x=a", "false"),
            ("", "false"),
            ("x=a&x[]=b", "twin"),
            ("x=a&x=%00", "value"),
        ],
    );
    check(
        json!({"x[]?": {"each": {"min": 1}, "count": 2}}),
        &[("", "true"), ("x[]=1&x%5B%5D=2", "true"), ("x[]=1", "false"), ("x=1", "twin")],
    );
    check(json!({"x": {"count": {"min": 2}}}), &[("x=a&x=%00", "true"), ("x=a", "false")]);
}

#[test]
fn names_with_keys_are_found() {
    check(
        json!({"m[*]": {"glob": "a*"}}),
        &[
            ("", "true"),
            ("m[x]=a&m[y]=ab&m[x][y]=a&m[]=a", "true"),
            ("m[x]=b", "false"),
            ("m[x]=a&m[x]=a", "twice"),
            ("m[x]=b&m[x]=a", "twice"),
            ("m[x]=a&m%5Bx%5D=a", "twice"),
            ("m=a", "twin"),
            ("m.x=a", "twin"),
            ("M[x]=a", "twin"),
            ("m[x]y=a", "twin"),
            ("m[x]", "syntax"),
            ("mm[x]=a", "false"),
        ],
    );
    check(
        json!({"m[a]?": "1", "m[a][*]": {}}),
        &[("m[a]=1", "true"), ("m[a][x]=1", "true"), ("m[a]=1&m[a][x]=1", "twin")],
    );
    check(
        json!({"m[a]?": "1", "m[*]": {}}),
        &[
            ("m[a]=1", "true"),
            ("m[a]=1&m[b]=2&m[0]=3", "true"),
            ("m[a]=2", "false"),
            ("m[A]=2", "twin"),
            ("m[a_]=2", "twin"),
            ("m[a][]=2", "twin"),
            ("m[a][b]=2", "twin"),
            ("m[]=2", "twin"),
            ("m[%20a]=2", "twin"),
            ("m[!a]=2", "twin"),
            ("m[$a]=2", "twin"),
            ("m[a(1i)]=2", "twin"),
        ],
    );
    check(
        json!({"m[0]?": "1", "m[*]": {}}),
        &[("m[1]=2", "true"), ("m[00]=2", "twin"), ("m[+0]=2", "twin"), ("m[]=2", "twin")],
    );
    check(
        json!({"m[*]": {"each": {}, "count": {"max": 2}}}),
        &[("m[x]=1&m[x]=2&m[y]=3", "true"), ("m[x]=1&m[x]=2&m[x]=3", "false")],
    );
    check(
        json!({"a[*]": "1", "a[b][*]": "2"}),
        &[("a[c]=1&a[b][c]=2", "true"), ("a[b][c]=1", "false"), ("a[b]=1", "twin")],
    );
}

#[test]
fn two_listed_names_may_be_one_place() {
    check(
        json!({"a[b]?": {}, "a[b][c]?": {}, "a[d]?": {}, "a[]?": {}}),
        &[
            ("a[b]=1&a[d]=1", "true"),
            ("a[b][c]=1&a[d]=1", "true"),
            ("a[b]=1&a[b][c]=1", "twin"),
            ("a[]=1&a[d]=1", "twin"),
        ],
    );
    check(
        json!({"l[0][p]?": {}, "l[1][p]?": {}, "l.q?": {}}),
        &[("l[0][p]=1&l[1][p]=1", "true"), ("l[0][p]=1&l.q=1", "true")],
    );
    check(json!({"a.b?": {}, "a_b?": {}}), &[("a.b=1", "true"), ("a.b=1&a_b=1", "twin")]);
}

#[test]
fn twins_are_unknown() {
    for name in [
        "X-Y",
        "xy",
        "XY",
        "x-y",
        "x_y_",
        "_x_y",
        "x y",
        "x+y",
        "%20x_y",
        "x_y%20",
        "!x_y",
        "$x_y",
        "%24X-Y",
        "$$x_y",
        "!$%20x_y",
        "$x_y[a]",
        "%20!x-y",
        "x_y(1i)",
        "x_y%281i%29",
        "x_y[]",
        "x_y[a]",
        "x_y.a",
        "x_y[a].b",
        "x.y",
        "X.Y",
        "x_y%3D",
        "%C2%A0x_y",
        "%EF%BB%BFx_y",
        "x_y%E2%80%8B",
        ".x_y",
    ] {
        check(json!({"x_y?": {}}), &[(&format!("{name}=1"), "twin")]);
    }
    check(json!({"$filter?": {}}), &[("$filter=1", "true"), ("filter=1", "twin")]);
    check(
        json!({"task?": {}, "*": {}}),
        &[
            ("tas%E2%84%AA=1", "twin"),
            ("ta%C5%BFk=1", "twin"),
            ("tasks=1", "true"),
            ("tas=1", "true"),
            ("t%C3%A1sk=1", "true"),
        ],
    );
    check(
        json!({"a.b?": {}, "*": {}}),
        &[("a_b=1", "twin"), ("a[b]=1", "twin"), ("ab.c=1", "true")],
    );
}

#[test]
fn what_readers_split_in_two_ways_is_unknown() {
    let open = json!({"x?": {}, "*": {}});
    for text in [
        "a;b",
        "a=1;x=2",
        "a=%",
        "a=%4",
        "a=%4g",
        "a=%+1",
        "a=%ff",
        "%ff=a",
        "=1",
        "=",
        "a%00=1",
        "a%0A=1",
        "a%7f=1",
        "%2561=1",
        "a%25b0=1",
        "x",
        "x&a=1",
        "a[=1",
        "a]=1",
        "a[b=1",
        "a]b[=1",
        "a[b[c]]=1",
        "a[b]]=1",
        "[a]=1",
        "]a=1",
        "%20[a]=1",
        "%5Ba%5D=1",
    ] {
        check(open.clone(), &[(text, "syntax")]);
        check(
            json!({}),
            &[(text, if text == "x" || text == "x&a=1" { "false" } else { "syntax" })],
        );
    }
    for text in ["a", "a=", "a&b", "a=b=c", "a=%3B%26%25", "a%25=1", "a%25zz=1", "a=%2561"] {
        check(open.clone(), &[(text, "true")]);
    }
    let pieces = |count: usize| vec!["a=1"; count].join("&");
    check(open.clone(), &[(&pieces(256), "true"), (&pieces(257), "syntax")]);
    check(open.clone(), &[(&format!("{}&&{}", pieces(128), pieces(128)), "true")]);
    let (longest, longer) = ("a".repeat(1_024) + "=1", "a".repeat(1_025) + "=1");
    check(open.clone(), &[(&longest, "true"), (&longer, "syntax")]);
    for body in [&b"a=\xff"[..], b"\xff=1", b"a=\xc3%A9"] {
        assert_eq!(of_form(&names(&open, Place::Form), body), "form_syntax", "{body:?}");
    }
    assert_eq!(of_form(&names(&open, Place::Form), "é=é".as_bytes()), "true");
}

#[test]
fn names_that_override_are_unknown() {
    let open = json!({"x?": {}, "*": {}});
    for name in [
        "_method",
        "_Method",
        "%5Fmethod",
        "_method[]",
        "X-HTTP-Method-Override",
        GUARDED,
        "Private-Token",
    ] {
        check(
            open.clone(),
            &[(&format!("{name}=1"), "override"), (&format!("x=1&{name}"), "override")],
        );
        check(json!({}), &[(&format!("{name}=1"), "override")]);
    }
    check(json!({"x": {}}), &[("_method=1", "false"), ("x=1&_method=1", "override")]);
    check(json!({"private_token?": {}}), &[("private_token=1", "override")]);
    check(json!({"private_token": {}}), &[("private_token=1", "override"), ("x=1", "false")]);
}

#[test]
fn a_plus_has_one_meaning_or_none() {
    for (written, query, blank, plus, both) in [
        (json!({"x": "a b"}), "x=a+b", "true", "false", "query_value"),
        (json!({"x": "a+b"}), "x=a+b", "false", "true", "query_value"),
        (json!({"x": ["a b", "a+b"]}), "x=a+b", "true", "true", "true"),
        (json!({"x": {"glob": "a*"}}), "x=a+b", "true", "true", "true"),
        (json!({"x": "a+b"}), "x=a%2Bb", "true", "true", "true"),
        (json!({"x": "a b"}), "x=a%20b", "true", "true", "true"),
        (json!({"x": "a"}), "x=a+b", "false", "false", "false"),
        (json!({"x": {"min": 1}}), "x=+1", "query_value", "query_value", "query_value"),
        (json!({"x y": {}}), "x+y=1", "true", "query_twin", "query_value"),
    ] {
        for (reading, expected) in
            [(PlusReading::Blank, blank), (PlusReading::Plus, plus), (PlusReading::Both, both)]
        {
            assert_eq!(
                of_query(&names(&written, Place::Query), query, reading),
                expected,
                "{written} {query} {reading:?}"
            );
        }
    }
    assert_eq!(of_query(&names(&json!({}), Place::Query), "", PlusReading::Both), "true");
    assert_eq!(of_form(&names(&json!({"x": "a b"}), Place::Form), b"x=a+b"), "true");
}

/// Values beyond the length that is tested keep their outcomes when they are shortened.
#[test]
fn a_long_value_is_judged_as_a_whole() {
    for length in [8_192, 8_193, 16_384, 16_385, 16_386, 100_000] {
        for (end, of_text, of_list) in [
            ("a", if length == 8_192 { "true" } else { "form_value" }, "false"),
            ("5", if length == 8_192 { "false" } else { "form_value" }, "form_value"),
            ("\n", "form_value", "form_value"),
            ("é", if length <= 8_191 { "false" } else { "form_value" }, "false"),
        ] {
            let body = format!("x={}{end}", "a".repeat(length - 1));
            let judge =
                |test: Value| of_form(&names(&json!({"x": test}), Place::Form), body.as_bytes());
            assert_eq!(judge(json!({"pattern": "a*"})), of_text, "{length} {end:?}");
            assert_eq!(judge(json!(["a", 5])), of_list, "{length} {end:?}");
            assert_eq!(judge(json!({})), "true", "{length} {end:?}");
            assert_eq!(judge(json!({"type": "string"})), "true", "{length} {end:?}");
            assert_eq!(judge(json!({"min": 1})), "form_value", "{length} {end:?}");
            assert_eq!(judge(json!({"count": 1})), "true", "{length} {end:?}");
        }
    }
}

/// What is kept of a form does not grow with its values.
#[test]
fn a_long_value_is_not_kept() {
    let body = format!("a={}&b={}&c=1", "%61".repeat(1_000_000), "b".repeat(1_000_000));
    let Form(fields) = Form::read(body.as_bytes(), &[]);
    let kept =
        fields.unwrap().iter().map(|field| field.value.as_ref().unwrap().len()).sum::<usize>();
    assert!(kept < 20_000, "{kept}");
}

/// qs ends a name at the first `]=` of a piece, whatever came before; `URLSearchParams` drops a `?`
/// at the beginning.
#[test]
fn a_piece_that_some_reader_splits_elsewhere_is_unknown() {
    let rule = json!({"x?": {}, "*": {}});
    for (text, expected) in [
        ("x=1]=", "form_syntax"),
        ("x=1%5D=2", "form_syntax"),
        ("z=a=b%5d=2", "form_syntax"),
        ("z[a]=[y]=2", "form_syntax"),
        ("?x=1", "form_syntax"),
        ("+%3Fx=1", "form_syntax"),
        ("x=1]", "true"),
        ("x=1]%3D", "true"),
        ("x=1]a=", "true"),
        ("x==", "true"),
        ("z[a]=1", "true"),
        ("z?=1", "true"),
    ] {
        assert_eq!(of_form(&names(&rule, Place::Form), text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn of_a_name_with_a_twin_nothing_is_known() {
    for (rule, text, expected) in [
        (json!({"x": "1"}), "X=1", "form_twin"),
        (json!({"x": "1"}), "x=2&x[]=1", "form_twin"),
        (json!({"x": "1", "y": {}}), "X=1", "false"),
        (json!({"x": "1"}), "X=1&y=1", "false"),
        (json!({"x?": "1", "*": {}}), "X=1", "form_twin"),
        (json!({"x": {"absent": true}, "*": {}}), "x=1&X=1", "form_twin"),
        (json!({"x[*]": "1"}), "x[a]=2&X[b]=1", "form_twin"),
        (json!({"x": "1"}), "x=2", "false"),
    ] {
        assert_eq!(of_form(&names(&rule, Place::Form), text.as_bytes()), expected, "{rule} {text}");
    }
}
