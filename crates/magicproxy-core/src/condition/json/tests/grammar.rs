//! The grammar: RFC 8259 to the last byte, and pauses anywhere.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// A rule that looks into nothing, for which only the grammar counts.
fn is_json(body: &[u8]) -> bool {
    let names = names("{\"*\":{}}");
    let each = value("{}");
    judge(body, &[JsonTest { object: Some(&names), each: Some(&each) }], &[], ALL) != SYNTAX
}

/// Wraps a value, so that nothing but its syntax counts.
fn wrapped(value: &str) -> String {
    format!("{{\"x\":{value}}}")
}

#[test]
fn what_is_no_json_is_unknown() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for value in [
        "",
        " ",
        "{",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\"::1}",
        "{1:1}",
        "[1}",
        "{\"a\":1]",
        "tru",
        "True",
        "nul",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "-01",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "0x1",
        "1_0",
        "--1",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\\",
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "'a'",
        "1 // x",
        "/* x */ 1",
        "\u{feff}1",
        "\u{a0}1",
        "1\u{c}",
        "{\"a\":1}}",
        "1,",
        "\"\\ud800\\u\"",
        "\"\\u\u{663}000\"",
    ] {
        let body = wrapped(value);
        assert!(!is_json(body.as_bytes()), "{body}");
    }
    for body in ["", " ", "{}{}", "{} x", "{}\u{feff}", "\u{feff}{}", "{}\0", "[]\n[]", "{},"] {
        assert!(!is_json(body.as_bytes()), "{body}");
    }
    for body in [&b"{\"a\":\"\xff\"}"[..], b"{\"\xc3\":1}", b"{\"a\":\"\xed\xa0\x80\"}", b"{}\xc3"]
    {
        assert!(!is_json(body), "{body:?}");
    }
    assert!(!is_json(
        "{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()
    ));
    assert!(is_json(deep(64).as_bytes()));
    assert!(!is_json(deep(65).as_bytes()));
}

#[test]
fn a_fault_behind_a_decision_counts() {
    for body in ["{\"y\":1,}", "{\"x\":1,\"x\":", "{\"x\":1}x", "{\"x\":2", "{\"X\":1,\"_method\":"]
    {
        assert_eq!(of_object("{\"x\":1}", body), SYNTAX, "{body}");
    }
    assert_eq!(of_object("{\"x\":{}}", "{\"x\":{\"y\":[1,}}"), SYNTAX);
    assert_eq!(of_object("{\"x\":1}", "{\"y\":[[1,\"\\q\"]]}"), SYNTAX);
    assert_eq!(of_each("{}", "[1"), SYNTAX);
}

/// A body nested a million deep is refused, and takes no stack.
#[test]
fn deep_bodies_take_no_stack() {
    let judged = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
        for open in ["[", "{\"x\":", "[{\"x\":"] {
            let body = open.repeat(1_000_000);
            assert_eq!(of_object("{\"x\":{}}", &body), SYNTAX);
            assert_eq!(of_each("{\"each\":{}}", &body), SYNTAX);
            assert_eq!(of_object("{\"x\":{\"object\":{\"x\":{}}}}", &body), SYNTAX);
        }
    });
    judged.unwrap().join().unwrap();
}

/// Returns the events of a body that becomes readable in pieces of this size.
fn events(body: &str, piece: usize) -> Vec<String> {
    let (mut scanner, mut events) = (Scanner::new(body.as_bytes()), Vec::new());
    loop {
        assert!(scanner.extend(piece));
        loop {
            match scanner.next() {
                Step::Paused => break,
                Step::Event(event) => events.push(format!("{event:?}")),
                end => {
                    events.push(format!("{end:?}"));
                    return events;
                }
            }
        }
    }
}

/// Each token lies across the end of a piece once, at each of its bytes.
#[test]
fn a_pause_inside_a_token_changes_nothing() {
    let sample = r#"{"näme":[-12.5e+10,true,null],"\\\ud83d\udca7" : "a\u0062ö💧","n":123456}"#;
    for shift in 0..sample.len() {
        let body = format!("{}{sample} ", " ".repeat(shift));
        let expected = events(&body, ALL);
        assert!(expected.ends_with(&["End".to_owned()]), "{expected:?}");
        for piece in 16..24 {
            assert_eq!(events(&body, piece), expected, "{shift} {piece}");
        }
    }
}

/// JSON as people and attackers write it, with any value below.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        text(),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|list| format!("[ {} ]", list.join(" ,\n"))),
            prop::collection::vec((text(), inner), 0..5).prop_map(|members| {
                let mut body = "{".to_owned();
                for (at, (name, value)) in members.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(body, "{comma}{name}:\t{value}").unwrap();
                }
                body + "}"
            }),
        ]
    })
}

/// A text or a name in quotes, many of them alike.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[axX_-]",
        1 => "[ -!#-\\[\\]-~é💧]{0,12}",
        1 => prop::sample::select(vec![
            r"\n", r"\u0078", r"\u0000", r"\ud83d\udca7", r"\ud800", r"\udc00", r"\\", r#"\""#, "\u{7f}",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Changes a few bytes.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        0..3,
        prop::sample::select(b"\"\\{}[]:,0-.eu \x01\x7f\xc3\xa9tn".to_vec()),
    );
    (json(), prop::collection::vec(change, 0..3)).prop_map(|(body, changes)| {
        let mut body = body.into_bytes();
        for (at, kind, byte) in changes {
            let at = at.index(body.len() + 1);
            match kind {
                0 => body.insert(at, byte),
                1 if at < body.len() => body[at] = byte,
                _ if at < body.len() => {
                    body.remove(at);
                }
                _ => {}
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// What serde_json takes for JSON in UTF-8 is JSON, and nothing else. The bodies are less than
    /// 64 levels deep.
    #[test]
    fn bodies_are_what_serde_json_takes(body in mutated()) {
        let expected = std::str::from_utf8(&body).is_ok()
            && serde_json::from_slice::<IgnoredAny>(&body).is_ok();
        prop_assert_eq!(is_json(&body), expected, "{}", String::from_utf8_lossy(&body));
    }

    /// A text is read as serde_json reads it, and a lone surrogate is what serde_json refuses.
    #[test]
    fn texts_are_what_serde_json_reads(text in text()) {
        let body = format!("[{text}]");
        let mut scanner = Scanner::new(body.as_bytes());
        prop_assert!(scanner.extend(ALL));
        let mut read = None;
        while let Step::Event(event) = scanner.next() {
            if let Event::Value(Primitive::Text(text)) = event {
                read = Some(text);
            }
        }
        let read = read.unwrap();
        let expected = serde_json::from_str::<String>(&text).ok();
        prop_assert_eq!(read.escapes.lone_surrogate, expected.is_none());
        prop_assert_eq!(read.decoded_name().map(std::borrow::Cow::into_owned), expected.clone());
        if let Some(expected) = expected {
            let has_controls = expected.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
            prop_assert_eq!(read.has_controls(), has_controls);
        }
    }

    /// Pauses change nothing.
    #[test]
    fn slices_change_nothing(body in mutated(), slices in prop::collection::vec(1_usize..40, 1..8)) {
        let tests = [
            "{\"*\":{}}", "{\"x\":{},\"*\":{}}", "{\"x?\":{\"each\":{}},\"*\":{}}", "{\"a?\":5,\"x?\":{}}",
            "{\"*\":{\"object\":{\"x?\":{},\"*\":{}}}}", "{\"*\":{\"each\":\"x\",\"count\":{\"max\":2}}}",
            "{\"*\":{\"glob\":\"*x*\"}}",
        ].map(names);
        let each = value("{\"each\":{\"type\":[\"string\",\"null\"]}}");
        let mut tests: Vec<JsonTest<'_>> =
            tests.iter().map(|names| JsonTest { object: Some(names), each: Some(&each) }).collect();
        tests.push(JsonTest { object: None, each: Some(&each) });
        let expected = judge_all(&body, &tests, &[], ALL);
        let mut judge = JsonJudge::new(&body, &tests, &[]);
        let mut sizes = slices.iter().cycle();
        while judge.advance(*sizes.next().unwrap()) == Progress::More {}
        prop_assert_eq!(judge.outcomes(), expected);
    }
}
