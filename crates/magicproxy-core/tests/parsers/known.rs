//! Faults that are known: a parser sees in each what the rule does not allow. None may be allowed,
//! and the comparison must notice each, or a run over random bodies would say nothing.

use serde_json::{Value, json};

use crate::naive_conditions::Outcome;
use crate::readers::Readers;
use crate::rules::{Kind, SampleRule};
use crate::{Judge, divergence, imitations};

/// A reader, and a text in which the reader sees what the rule does not allow.
type Fault = (&'static str, &'static [u8]);

const UTF_16: &[u8] = b"{\0\"\0b\0a\0s\0e\0\"\0:\0\"\0e\0v\0i\0l\0\"\0}\0";

/// By rule.
fn faults() -> Vec<(Kind, Value, Vec<Fault>)> {
    vec![
        (
            Kind::Json,
            json!({"json": {"base": "main", "*": {}}}),
            vec![
                ("python json", br#"{"base":"main","base":"evil"}"#),
                ("imitated, first", br#"{"base":"evil","base":"main"}"#),
                ("node JSON.parse", br#"{"base":"main","b\u0061se":"evil"}"#),
                ("go struct", br#"{"base":"main","Base":"evil"}"#),
                ("go struct", "{\"base\":\"main\",\"ba\u{17f}e\":\"evil\"}".as_bytes()),
                ("imitated, last", br#"{"base":"main","base\u0000x":"evil"}"#),
                ("imitated, last", br#"{"base":"main","ba_se":"evil"}"#),
                ("ruby JSON", br#"{"base":/*"main","base":*/"evil"}"#),
                ("python json", UTF_16),
                ("php json_decode", br#"{"base":"main\u0000"}"#),
                ("jq", br#"{"base":["main"]}"#),
            ],
        ),
        (
            Kind::Json,
            json!({"json": {"base": "main"}}),
            vec![
                ("go map", br#"{"base":"main","labels":[]}"#),
                ("php json_decode", br#"{"base":"main","Base":"main"}"#),
                ("jq", br#"{"base":"main","":1}"#),
            ],
        ),
        (
            Kind::Json,
            json!({"json": {"branch?": "x", "force": {"absent": true}, "*": {}}}),
            vec![
                ("go struct", br#"{"Branch":"main"}"#),
                ("go struct", br#"{"FORCE":true}"#),
                ("imitated, first", br#"{"for-ce":true}"#),
            ],
        ),
        (
            Kind::Json,
            json!({"json": {"n": {"min": 1, "max": 9_007_199_254_740_991_u64}}}),
            vec![
                ("node JSON.parse", br#"{"n":9007199254740993}"#),
                ("python json", br#"{"n":NaN}"#),
                ("node JSON.parse", br#"{"n":1E400}"#),
                ("php json_decode", br#"{"n":"5"}"#),
            ],
        ),
        (
            Kind::Form,
            json!({"form": {"amount": {"max": 5000}, "user_id": 7, "*": {}}}),
            vec![
                ("php parse_str", b"user_id=7&amount=5&amount=9000"),
                ("rack form", b"user_id=7&amount=5&amount=9000"),
                ("qs form", b"user_id=7&amount=5&amount=9000"),
                ("werkzeug form", b"user_id=7&amount=9000&amount=5"),
                ("php parse_str", b"user_id=7&amount=5&amount[]=9000"),
                ("qs form", b"user_id=7&amount[x]=9000&amount=5"),
                ("php parse_str", b"amount=5&user_id=7&user.id=8"),
                ("php parse_str", b"amount=5&user_id=7&user+id=8"),
                ("php parse_str", b"amount=5&user_id=7&user[id=8"),
                ("php parse_str", b"amount=5&user_id=7&user.id[]=8"),
                ("php parse_str", b"user_id=7&amount=5&+amount=9000"),
                ("php parse_str", b"user_id=7&amount=5&amount%00x=9000"),
                ("go net/url", b"user_id=7&amount=5&amount=9000&x=%zz"),
            ],
        ),
        (
            Kind::Form,
            json!({"form": {"to": {"glob": "x*"}, "*": {}}}),
            vec![("qs form", b"to=x]="), ("qs form", b"to=x%5D=y"), ("qs form", b"to=x%5d=y=z")],
        ),
        (
            Kind::Form,
            json!({"form": {"m[order]": 5, "m[*]": {}}}),
            vec![
                ("qs form", b"m[order]=5&m[order][]=6"),
                ("php parse_str", b"m[order]=5&m[order][a][b]=6"),
                ("rack form", b"m[order]=5&m[order]=6"),
            ],
        ),
        (
            Kind::Query,
            json!({"query": {"q": ["a b", "c"], "*": {}}}),
            vec![
                ("a reader whose + is a plus", b"q=a+b"),
                ("rack query", b"q=c&x=1;q=evil"),
                ("node URLSearchParams", b"?q=evil&q=c"),
                ("qs query", b"q=c&q[]=evil"),
                ("node querystring", b"q=c&%71=evil"),
            ],
        ),
    ]
}

/// More parameters than PHP takes: those behind the thousandth are lost.
fn too_many() -> Vec<u8> {
    [&b"z=1&".repeat(1000), b"user_id=7&amount=5".as_slice()].concat()
}

#[test]
fn each_known_fault_is_refused_and_noticed() {
    let mut readers = Readers::started();
    let long = too_many();
    let mut asked = 0;
    for (kind, rule, mut faults) in faults() {
        if rule["form"].get("user_id").is_some() {
            faults.push(("php parse_str", &*Box::leak(long.clone().into_boxed_slice())));
        }
        let judge = Judge::new(SampleRule { name: "known", kind, rule });
        let sample = &judge.rule;
        for (reader, text) in faults {
            let shown = text.escape_ascii();
            if let Some((verdict, difference)) = judge.verdict(text) {
                assert_ne!(verdict, Outcome::True, "{shown} for {}", sample.rule);
                assert_eq!(difference, None);
            }
            let Some(readers) = &mut readers else { continue };
            let mut seen = readers.ask(&[sample.question(text)]).remove(0);
            seen.extend(imitations::read(sample, text));
            let seen = seen.get(reader).unwrap_or_else(|| panic!("no reader `{reader}`: {seen:?}"));
            let noticed = divergence::of(sample, reader, seen);
            assert!(noticed.is_some(), "{reader} sees {seen:?} in {shown} for {}", sample.rule);
            asked += 1;
        }
    }
    assert!(readers.is_none() || asked > 40, "{asked}");
}
