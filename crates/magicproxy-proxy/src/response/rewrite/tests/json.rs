//! Rewriting agrees with the oracle, and with a JSON parser, in any division; nothing makes it slow or large.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::*;

const LINKS: [(&str, &str); 4] = [
    (FROM, TO),
    ("https://h:8443/api", "http://p/a"),
    ("https://h:8443/api/v2", "http://p/b"),
    ("http://x", "http://a.longer.name.example/x"),
];

/// Lists of members, of which each finds something in [`values`] and leaves something.
const MEMBERS: [&[&str]; 7] = [
    &["**"],
    &["a", "b.*", "**.cc"],
    &["**", "!a", "!**.b", "!**.c.**"],
    &["*", "*.*", "!*a*"],
    &["**.a.**.b", "a*", "*b", "*c*d*"],
    &["** /a", "a /b/", "!**.x"],
    &["**.a.**", "**.b /a", "!**.c.**", "!**.bb.**", "!**.b*.**"],
];

fn map(members: &[&str]) -> Arc<LinkMap> {
    Arc::new(LinkMap::new(LINKS).following(super::members(members)))
}

/// Divides a text where the indices point.
fn divided<'t>(text: &'t [u8], cuts: &[Index]) -> Vec<&'t [u8]> {
    let mut cuts: Vec<usize> =
        cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// Texts in which every rule of the specification is near.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let words = select(vec![
        "\"",
        "\"",
        "\"http",
        "\"https://api.github.com",
        "https://api.github.com",
        "\"https:\\/\\/api.github.com",
        "\"https://h:8443/api",
        "\"http://x",
        "\"HTTPS://x",
        "/v2",
        "/v22",
        ":443",
        ":80",
        ":",
        " ",
        "\n",
        ",",
        "/",
        "\\/",
        "\\",
        "\\\\",
        "\\\"",
        "\\u",
        "\\u0026",
        "\\u0020",
        "\\u00",
        "zz",
        "{/n}",
        "?a=b",
        "#",
        "<",
        "h",
        "ht",
        "http",
        "s://",
        "API",
        "\u{7f}",
        "ä",
        "{",
        "[",
        "}",
        "]",
        "\"a\":",
        "{\"b\" : ",
        "\"\\u0061\":",
    ]);
    let long = (8100usize..8200, select(vec!["a", " ", "\\/"]))
        .prop_map(|(length, unit)| unit.repeat(length / unit.len()).into_bytes());
    let any = vec(any::<u8>(), 0..4);
    let fragment =
        prop_oneof![30 => words.prop_map(|word| word.as_bytes().to_vec()), 1 => long, 1 => any];
    vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>().prop_map(Value::from),
        (select(LINKS.to_vec()), "[!-~/ä \"\\\\]{0,12}")
            .prop_map(|((from, _), rest)| format!("{from}{rest}").into()),
        (select(LINKS.to_vec()), "(/[a-z]{1,6}){0,3}(\\{\\?[a-z]{1,4}\\})?")
            .prop_map(|((from, _), rest)| format!("{from}{rest}").into()),
        any::<i32>().prop_map(Value::from),
    ];
    text.prop_recursive(4, 40, 6, |inner| {
        let key = prop_oneof![
            "[a-c]{0,3}",
            "[a-z]{0,4}",
            select(LINKS.to_vec()).prop_map(|(from, _)| from.to_owned())
        ];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What a parser would make of it.
fn expected(members: &[&str], path: &mut Vec<String>, value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().any(|c| c <= ' ' || "\"\\<>`\u{7f}".contains(c)) => {
            value.clone()
        }
        Value::String(text) => {
            let home = LinkMap::new(LINKS).rewrite_url(text);
            let rest = |to: &str| text.as_bytes()[text.len() - from_rest(to)..].to_vec();
            let home = home.filter(|to| oracle::is_followed(members, path, &rest(to)));
            home.map_or_else(|| value.clone(), Value::from)
        }
        Value::Array(items) => items.iter().map(|item| expected(members, path, item)).collect(),
        Value::Object(object) => {
            let rewritten = object.iter().map(|(name, value)| {
                path.push(name.clone());
                let value = expected(members, path, value);
                path.pop();
                (name.clone(), value)
            });
            Value::Object(rewritten.collect())
        }
        other => other.clone(),
    }
}

/// How long what follows the link is, given where it leads.
fn from_rest(to: &str) -> usize {
    let home = LINKS
        .iter()
        .map(|(_, home)| home)
        .filter(|home| to.starts_with(**home))
        .max_by_key(|home| home.len());
    to.len() - home.unwrap().len()
}

proptest! {
    #[test]
    fn agrees_with_the_oracle_in_any_division(
        text in fragments(),
        members in select(MEMBERS.to_vec()),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let expected = oracle::rewritten(&LINKS, members, &text);
        prop_assert_eq!(rewritten(&map(members), divided(&text, &cuts)), &expected[..]);
        prop_assert_eq!(rewritten(&map(members), text.chunks(1)), expected);
    }

    #[test]
    fn agrees_with_a_parser(value in values(), members in select(MEMBERS.to_vec()), cuts in vec(any::<Index>(), 0..12)) {
        let expected = expected(members, &mut Vec::new(), &value);
        for (text, expected) in [
            (serde_json::to_vec(&value).unwrap(), serde_json::to_vec(&expected).unwrap()),
            (serde_json::to_vec_pretty(&value).unwrap(), serde_json::to_vec_pretty(&expected).unwrap()),
        ] {
            let out = rewritten(&map(members), divided(&text, &cuts));
            prop_assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(expected).unwrap());
        }
    }
}

#[test]
fn an_empty_piece_changes_nothing() {
    let text = format!(r#"["a \" b", "{FROM}/x"]"#);
    let expected = text.replace(FROM, TO);
    for cut in 0..=text.len() {
        let (before, after) = text.as_bytes().split_at(cut);
        assert!(
            rewritten(&links(), [before, &[], after].into_iter()) == expected.as_bytes(),
            "{cut}"
        );
    }
}

#[test]
fn values_up_to_the_limit() {
    // The byte that decides must be among the first 8192 of the candidate.
    for (unit, escape) in [("a", false), ("\\/", true)] {
        for total in 8185..8200 {
            let filler = unit.repeat((total - FROM.len() - 4) / unit.len());
            let text = format!("[\"{FROM}/{filler}\"]");
            let decided = text.len() - 2 <= 8192;
            let expected = if decided { text.replace(FROM, TO) } else { text.clone() };
            for size in [1, 7, 4096, 8191, 8192, 8193, text.len()] {
                assert!(
                    rewritten(&links(), text.as_bytes().chunks(size)) == expected.as_bytes(),
                    "{total} by {size}, {escape}"
                );
            }
            assert!(
                oracle::rewritten(&[(FROM, TO)], &["**"], text.as_bytes()) == expected.as_bytes(),
                "{total}"
            );
        }
    }
}

/// Bodies that are made to be held back, and to be looked at again and again.
fn hostile(length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let of = |unit: &str| unit.repeat(length / unit.len()).into_bytes();
    vec![
        ("openers", of("\"http")),
        ("openers of a link", of("\"https://api.github.com")),
        ("links and a letter", of("\"https://api.github.com/\"x")),
        ("one value without end", [b"\"https://api.github.com/".to_vec(), of("a")].concat()),
        ("escapes without end", [b"\"https://api.github.com/".to_vec(), of("\\/")].concat()),
        (
            "unicode escapes without end",
            [b"\"https://api.github.com/".to_vec(), of("\\u0061")].concat(),
        ),
        ("blanks behind a value", [b"\"https://api.github.com/\"".to_vec(), of(" ")].concat()),
        ("long values that stay", of(&format!("\"https://api.github.com/{}", "a".repeat(8190)))),
        (
            "values just under the limit",
            of(&format!("\"https://api.github.com/{}\":", "a".repeat(8160))),
        ),
        (
            "blanks just under the limit",
            of(&format!("\"https://api.github.com/\"{}:", " ".repeat(8160))),
        ),
        ("backslashes", of("\\")),
        ("quotation marks", of("\"")),
        ("escaped quotation marks", of("\\\"http")),
        ("prefixes", of("\"https://api.github.co")),
        ("objects", of("{\"a\":")),
        ("lists", of("[")),
        ("ends", of("}]")),
        (
            "URLs in depth",
            [of("{\"a\":[").as_slice(), &of("\"https://api.github.com/\",")].concat(),
        ),
        (
            "URLs at the last level",
            ["[{\"a\":".repeat(32).as_bytes(), &of("\"https://api.github.com/\":")].concat(),
        ),
        ("a name without end", [b"{\"".to_vec(), of("a")].concat()),
        (
            "names",
            of(
                "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"https://api.github.com\"}",
            ),
        ),
    ]
}

#[test]
fn time_is_linear_whatever_the_body() {
    let time = |body: &[u8], size: usize| {
        let mut rewriter = JsonRewriter::new(links());
        let body = Bytes::copy_from_slice(body);
        let start = Instant::now();
        for at in (0..body.len()).step_by(size) {
            let _ = rewriter.push(body.slice(at..(at + size).min(body.len())));
        }
        start.elapsed()
    };
    for (name, body) in hostile(1 << 18) {
        // Quadratic behaviour within a candidate would take 4,000 steps for each byte, a thousand millions of them.
        for size in [1, 100, 1 << 20] {
            let taken = time(&body, size);
            assert!(taken < Duration::from_secs(10), "{name} by {size}: {taken:?}");
        }
    }
}

#[test]
fn hostile_bodies_agree_with_the_oracle() {
    for (name, body) in hostile(40_000) {
        let expected = oracle::rewritten(&[(FROM, TO)], &["**"], &body);
        for size in [1, 13, 8192, 10_000] {
            assert!(rewritten(&links(), body.chunks(size)) == expected, "{name} by {size}");
        }
    }
}

#[test]
fn a_body_without_links_is_not_copied() {
    let body = Bytes::from_static(b"{\"html_url\":\"https://github.com/a\"}");
    let out = JsonRewriter::new(links()).push(body.clone());
    assert_eq!(out.as_ptr(), body.as_ptr());
    assert_eq!(out, body);
}
