//! Runs `testdata/vectors/rewriting.json`.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde::Deserialize;

use super::*;
use crate::header::Coding;

#[derive(Deserialize)]
struct Vectors {
    origin: String,
    links: Vec<(String, String)>,
    urls: Vec<Url>,
    fields: Vec<Field>,
    json: Vec<Json>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Url {
    url: String,
    becomes: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    field: HeaderNameText,
    value: String,
    becomes: Option<String>,
}

#[derive(Deserialize)]
struct Json {
    text: String,
    becomes: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default = "ok")]
    status: u16,
    headers: Vec<(HeaderNameText, String)>,
    becomes: Option<Vec<(HeaderNameText, String)>>,
    body: String,
}

type HeaderNameText = String;

fn ok() -> u16 {
    200
}

fn read() -> (Vectors, Arc<LinkMap>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/rewriting.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let links = LinkMap::new(vectors.links.iter().map(|(from, to)| (from, to))).with_origin(&vectors.origin);
    (vectors, Arc::new(links))
}

fn headers(lines: &[(String, String)]) -> HeaderMap {
    let line = |(name, value): &(String, String)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    lines.iter().map(line).collect()
}

fn applied(head: &mut http::response::Parts, links: impl FnOnce() -> Option<Arc<LinkMap>>) -> BodyPlan {
    let coding = Coding::of(&head.headers);
    apply(head, coding, links)
}

#[test]
fn urls() {
    let (vectors, links) = read();
    for Url { url, becomes } in vectors.urls {
        assert_eq!(links.rewrite_url(&url), becomes, "{url}");
    }
}

#[test]
fn fields() {
    let (vectors, links) = read();
    for Field { field, value, becomes } in vectors.fields {
        let (mut head, ()) = Response::new(()).into_parts();
        head.headers = headers(&[(field.clone(), value.clone())]);
        assert_eq!(applied(&mut head, || Some(Arc::clone(&links))), BodyPlan::Keep);
        assert_eq!(head.headers, headers(&[(field.clone(), becomes.unwrap_or(value.clone()))]), "{field}: {value}");
    }
}

#[test]
fn json() {
    let (vectors, links) = read();
    for Json { text, becomes } in vectors.json {
        let expected = becomes.as_ref().unwrap_or(&text);
        let bytes = text.as_bytes();
        for size in 1..=bytes.len() {
            let out = rewritten(&links, bytes.chunks(size));
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{text} by {size}");
        }
        for at in 0..=bytes.len() {
            let out = rewritten(&links, [&bytes[..at], &bytes[at..]]);
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{text} at {at}");
        }
        assert_eq!(oracle::rewritten(&vectors.links, bytes), expected.as_bytes(), "the oracle: {text}");
    }
}

#[test]
fn answers() {
    let (vectors, links) = read();
    for Answer { status, headers: before, becomes, body } in vectors.answers {
        let (mut head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
        head.headers = headers(&before);
        let plan = match applied(&mut head, || Some(Arc::clone(&links))) {
            BodyPlan::Keep => "keep",
            BodyPlan::Rewrite(_) => "rewrite",
            BodyPlan::Inflate(_) => "inflate",
        };
        assert_eq!(plan, body, "{before:?}");
        assert_eq!(head.headers, headers(becomes.as_ref().unwrap_or(&before)), "{before:?}");
        head.headers = headers(&before);
        assert_eq!(applied(&mut head, || Some(Arc::default())), BodyPlan::Keep, "without a link");
        assert_eq!(applied(&mut head, || None), BodyPlan::Keep, "without links");
        assert_eq!(head.headers, headers(&before), "without links");
    }
}

#[test]
fn pairs_that_are_no_links() {
    let odd = [
        "",
        "https://",
        "https:///x",
        "https://a/",
        "ftp://a",
        "a",
        "//a",
        "https://a?b",
        "https://a#b",
        "https://u@a",
        "https://a\"b",
    ];
    for pair in odd.iter().flat_map(|odd| [(*odd, TO), (FROM, *odd)]).chain([(FROM, FROM)]) {
        assert!(LinkMap::new([pair]).is_empty(), "{pair:?}");
    }
    assert!(LinkMap::new([("https://A:443", "https://a")]).is_empty());
}

#[test]
fn a_path_does_not_become_an_authority() {
    let links = LinkMap::new([("https://h/api", "http://p")]).with_origin("https://h/api");
    let check = |reference: &str, expected| assert_eq!(links.rewrite_reference(reference).as_deref(), expected, "{reference}");
    check("/api//evil.example/x", Some("http://p//evil.example/x"));
    check("/api", Some("/"));
    check("/api?x", Some("/?x"));
    check("/api/x", Some("/x"));
    check("/x", None);
}

#[test]
fn what_is_not_ascii_stays_in_fields() {
    let (mut head, ()) = Response::new(()).into_parts();
    let value = HeaderValue::from_bytes("<https://api.github.com/ä>".as_bytes()).unwrap();
    head.headers.insert(http::header::LINK, value.clone());
    applied(&mut head, || Some(links()));
    assert_eq!(head.headers["link"], value);
}
