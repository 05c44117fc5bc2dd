//! Runs `testdata/vectors/rewriting.json`.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde::Deserialize;

use super::*;
use crate::response::header::Coding;

#[derive(Deserialize)]
struct Vectors {
    origin: String,
    links: Vec<(String, String)>,
    urls: Vec<Url>,
    fields: Vec<Field>,
    json: Vec<Json>,
    responses: Vec<ResponseCase>,
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
    /// All, unless it says which.
    members: Option<Vec<String>>,
    /// Path and query of the request.
    #[serde(default = "root")]
    asked: String,
    text: String,
    becomes: Option<String>,
}

#[derive(Deserialize)]
struct ResponseCase {
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

fn root() -> String {
    "/".to_owned()
}

fn read() -> (Vectors, Arc<LinkMap>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/rewriting.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let links = LinkMap::new(vectors.links.iter().map(|(from, to)| (from, to)))
        .with_origin(&vectors.origin)
        .following(members(&["**"]));
    (vectors, Arc::new(links))
}

fn headers(lines: &[(String, String)]) -> HeaderMap {
    let line = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn applied(
    head: &mut http::response::Parts,
    links: impl FnOnce() -> Option<Arc<LinkMap>>,
) -> BodyPlan {
    let coding = Coding::of(&head.headers);
    apply(head, coding, || links().map(|links| Rewriting { links, asked: None }))
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
        assert_eq!(
            head.headers,
            headers(&[(field.clone(), becomes.unwrap_or(value.clone()))]),
            "{field}: {value}"
        );
    }
}

#[test]
fn json() {
    let (vectors, links) = read();
    for Json { members: named, asked, text, becomes } in vectors.json {
        let expected = becomes.as_ref().unwrap_or(&text);
        let bytes = text.as_bytes();
        let named: Vec<&str> =
            named.as_ref().map_or(vec!["**"], |named| named.iter().map(String::as_str).collect());
        let links = Arc::new(LinkMap::clone(&links).following(members(&named)));
        let rewritten = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut rewriter = JsonRewriter::new(Arc::clone(&links)).asked(asked.parse().ok());
            let mut out: Vec<u8> =
                pieces.flat_map(|piece| rewriter.push(Bytes::copy_from_slice(piece))).collect();
            out.extend_from_slice(&rewriter.finish());
            out
        };
        for size in 1..=bytes.len() {
            let out = rewritten(&mut bytes.chunks(size));
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{text} by {size}");
        }
        for at in 0..=bytes.len() {
            let out = rewritten(&mut [&bytes[..at], &bytes[at..]].into_iter());
            assert_eq!(String::from_utf8_lossy(&out), *expected, "{text} at {at}");
        }
        if !named.iter().any(|named| named.ends_with('?') || named.contains('\\')) {
            assert_eq!(
                oracle::rewritten(&vectors.links, &named, bytes),
                expected.as_bytes(),
                "the oracle: {text}"
            );
        }
    }
}

#[test]
fn responses() {
    let (vectors, links) = read();
    for ResponseCase { status, headers: before, becomes, body } in vectors.responses {
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
    let check = |reference: &str, expected| {
        assert_eq!(links.rewrite_reference(reference).as_deref(), expected, "{reference}")
    };
    check("/api//evil.example/x", Some("http://p//evil.example/x"));
    check("/api", Some("/"));
    check("/api?x", Some("/?x"));
    check("/api/x", Some("/x"));
    check("/x", None);
}

#[test]
fn bytes_that_are_no_text_pass_in_fields() {
    let check = |name: &'static str, value: &[u8], expected: &[u8]| {
        let (mut head, ()) = Response::new(()).into_parts();
        head.headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        applied(&mut head, || Some(links()));
        assert_eq!(head.headers[name].as_bytes(), expected);
    };
    check(
        "location",
        b"https://api.github.com/\xe4\xff",
        b"http://127.0.0.1:5000/github/api/v3/%E4%FF",
    );
    check("location", b"https://other.example/\xe4", b"https://other.example/\xe4");
    check(
        "link",
        b"<https://api.github.com/\xe4>; title=\"\xe4\"",
        b"<http://127.0.0.1:5000/github/api/v3/%E4>; title=\"\xe4\"",
    );
}

#[test]
fn responses_pass_whole_where_no_member_is_followed() {
    let (mut head, ()) = Response::new(()).into_parts();
    let lines = [
        ("content-type", "application/json"),
        ("content-length", "9"),
        ("digest", "a"),
        ("content-encoding", "gzip"),
    ];
    let before = headers(&lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
    head.headers = before.clone();
    let links = Arc::new(LinkMap::new([(FROM, TO)]).following(members(&["!a"])));
    assert_eq!(applied(&mut head, || Some(Arc::clone(&links))), BodyPlan::Keep);
    assert_eq!(head.headers, before);
    head.status = http::StatusCode::NOT_MODIFIED;
    head.headers.remove("content-type");
    assert_eq!(applied(&mut head, || Some(links)), BodyPlan::Keep);
    assert_eq!(head.headers.len(), 3);
}
