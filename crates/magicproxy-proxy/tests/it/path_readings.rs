//! Names that people have in paths, and hostile paths, for each way in which an upstream's server may read paths:
//! `docs/spec/request-target.md` sections 2 and 4.

use magicproxy_core::{EncodedSlash, PathReading};

use crate::property::percent_decoded;
use crate::support::Setup;
use crate::support::{Client, OnlyUpstream as _, Proxy, Token, Upstream, request};

async fn reading(upstream: &Upstream, slash: EncodedSlash, reading: PathReading) -> Proxy {
    let set = |settings: &mut Setup| {
        let upstream = settings.upstream_mut();
        (upstream.encoded_slash, upstream.path_reading) = (slash, reading);
    };
    Proxy::with(upstream, set).await
}

#[tokio::test]
async fn brackets_that_clients_leave_raw_are_sent_encoded() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::before(&upstream).await;
    let rules = ["GET /c/app/%5Bid%5D/page\\.tsx", "GET /c/%5B.*", "GET /n/.*"];
    let token = Token::allowing(&rules).mint();
    let cases = [
        ("/c/app/[id]/page.tsx", "/c/app/%5Bid%5D/page.tsx"),
        ("/c/app/%5bid]/page.tsx", "/c/app/%5Bid%5D/page.tsx"),
        ("/c/[[...slug]]/a?x[]=[1]", "/c/%5B%5B...slug%5D%5D/a?x[]=[1]"),
    ];
    for (asked, sent) in cases {
        let response = Client::ask(&proxy, request(&format!("GET {asked}"), &token, &[], "")).await;
        assert_eq!(response.status, 200, "{asked}: {}", response.text());
        assert_eq!(upstream.take_requests()[0].target, sent, "{asked}");
    }
    // What is decided on is what is sent, and a bracket hides nothing.
    for (asked, status) in [
        ("/c/app/[id]/page.tsx/x", 403),
        ("/c/app/id/page.tsx", 403),
        ("/c/[/../x", 400),
        ("/c/[]/..", 400),
        ("/n/a\\b", 400),
        ("/n/a`b", 400),
        ("/n/a|b^c", 400),
        ("/n/{id}", 400),
        ("/n/日本語.md", 400),
        ("/n/a<b", 400),
        ("/n/．．/x", 400),
        ("/n/a\u{85}", 400),
    ] {
        let response = Client::ask(&proxy, request(&format!("GET {asked}"), &token, &[], "")).await;
        assert_eq!(response.status, status, "{asked}");
    }
    assert!(upstream.requests().is_empty());
}

/// A name as it stands in a path, and its code where the server may be any, servlet-like, or normalising. All pass where the server
/// decodes once.
const NAMES: [(&str, &str, &str, &str); 14] = [
    ("50%25%20done", "target_encoding", "", ""),
    ("u-boot_2019.04%25.bbappend", "target_encoding", "", ""),
    ("a%252Fb", "target_encoding", "", ""),
    ("%2525", "target_encoding", "", ""),
    ("https%253A%252F%252Fexample.com", "target_encoding", "", ""),
    ("a;b.txt", "target_parameter", "", ""),
    ("a%3Bb.txt", "target_parameter", "", ""),
    ("a;", "target_parameter", "", ""),
    ("%E7%84%B6%E2%80%A6%E2%80%A6%E8%A7%81.md", "target_lookalike", "", "target_lookalike"),
    ("1%EF%BC%850", "target_lookalike", "", "target_lookalike"),
    ("a%EF%BC%8Fb", "target_lookalike", "", "target_lookalike"),
    ("a%EF%BC%8Eb", "target_lookalike", "", "target_lookalike"),
    ("50%25%3B%E2%80%A6", "target_encoding", "", "target_lookalike"),
    ("%C3%A9t%C3%A9", "", "", ""),
];

#[tokio::test]
async fn names_reach_an_upstream_that_reads_them_in_one_way() {
    let upstream = Upstream::hello().await;
    let token = Token::allowing(&["GET /n/.+"]).mint();
    for (reads, column) in PathReading::ALL.into_iter().zip(0..) {
        let proxy = reading(&upstream, EncodedSlash::Refuse, reads).await;
        for (name, strict, servlet, normalize) in NAMES {
            let code = [strict, "", servlet, normalize][column];
            let response =
                Client::ask(&proxy, request(&format!("GET /n/{name}"), &token, &[], "")).await;
            if code.is_empty() {
                assert_eq!(response.status, 200, "{name} {reads:?}: {}", response.text());
                assert_eq!(upstream.take_requests()[0].target, format!("/n/{name}"), "{reads:?}");
            } else {
                response.assert_rejected(400, code);
                assert!(
                    response.text().contains("`path_reading`"),
                    "the refusal of {name} names the setting: {}",
                    response.text()
                );
            }
        }
    }
    assert!(upstream.requests().is_empty());
}

/// A rule for one such name allows that name, and nothing that looks like it.
#[tokio::test]
async fn a_rule_names_what_the_upstream_gets() {
    let upstream = Upstream::hello().await;
    let proxy = reading(&upstream, EncodedSlash::Both, PathReading::DecodeOnce).await;
    let rules = serde_json::json!([
        {"method": "DELETE", "route": "/repos/acme/tool/issues/1/labels/50%25 done"},
        {"method": "GET", "route": "/c/然后……再见.md"},
        "GET /c/a;b\\.txt",
    ]);
    let token = Token::ruled(&rules).mint();
    let cases = [
        ("DELETE /repos/acme/tool/issues/1/labels/50%25%20done", 200),
        ("DELETE /repos/acme/tool/issues/1/labels/50%20done", 403),
        ("DELETE /repos/acme/tool/issues/1/labels/50%25%2520done", 403),
        ("GET /c/%E7%84%B6%E5%90%8E%E2%80%A6%E2%80%A6%E5%86%8D%E8%A7%81.md", 200),
        ("GET /c/%E7%84%B6%E5%90%8E......%E5%86%8D%E8%A7%81.md", 403),
        ("GET /c/a;b.txt", 200),
        ("GET /c/a", 403),
        ("GET /c/a%253Bb.txt", 403),
    ];
    for (line, status) in cases {
        let response = Client::ask(&proxy, request(line, &token, &[], "")).await;
        assert_eq!(response.status, status, "{line}: {}", response.text());
    }
}

#[tokio::test]
async fn parameters_are_allowed_with_and_without_or_not_at_all() {
    let upstream = Upstream::hello().await;
    let proxy = reading(&upstream, EncodedSlash::Refuse, PathReading::Servlet).await;
    let token = Token::allowing(&["GET /open/.+", "GET /a;v=1/b"]).mint();
    for (path, status) in [
        ("/open/a;v=1", 200),
        ("/open/a;v=1/b;w", 200),
        // The container reads `/a/b`, which no rule allows.
        ("/a;v=1/b", 403),
        ("/open;x/a", 403),
        ("/open%3Bx/a", 403),
        ("/open/..;/a", 400),
        ("/open/;/a", 400),
        ("/open/a/..;x=y/b", 400),
    ] {
        let response = Client::ask(&proxy, request(&format!("GET {path}"), &token, &[], "")).await;
        assert_eq!(response.status, status, "{path}: {}", response.text());
    }
}

const RULES: [&str; 3] = ["GET /a/[a-z]+", "GET /c/[^/]+/d", "GET /open/.*"];

/// The rules again, by other means.
fn is_allowed(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "a", name] => !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()),
        ["", "c", name, "d"] => !name.is_empty(),
        ["", "open", _, ..] => true,
        _ => false,
    }
}

/// What a server of this kind makes of a path: as it splits before it decodes, or after; with parameters or without; with
/// full-width forms as they are or as ASCII; and without dot segments in any case.
fn readings(path: &str, slash: EncodedSlash, kind: PathReading) -> Vec<String> {
    let decodings = if kind == PathReading::Strict { 4 } else { 1 };
    let cuts = matches!(kind, PathReading::Strict | PathReading::Servlet);
    let normalises = matches!(kind, PathReading::Strict | PathReading::Normalize);
    let mut texts = vec![path.to_owned()];
    for _ in 0..decodings {
        let mut next = Vec::new();
        for text in &texts {
            // Where `%2F` is an ordinary character it stands for something that is no slash.
            let kept = if slash == EncodedSlash::Opaque {
                text.replace("%2F", "\u{0}")
            } else {
                text.clone()
            };
            next.push(kept.clone());
            next.push(decoded(&kept));
            if cuts {
                next.push(decoded(&without_parameters(&kept)));
                next.push(without_parameters(&decoded(&kept)));
            }
        }
        texts.extend(next);
        texts.sort();
        texts.dedup();
    }
    if normalises {
        texts.extend(texts.clone().iter().map(|text| normalised(text)));
    }
    texts.iter().map(|text| without_dots(text)).collect()
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_decoded(text.as_bytes())).into_owned()
}

fn without_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap()).collect::<Vec<_>>().join("/")
}

fn normalised(text: &str) -> String {
    let ascii = |character: char| match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap().to_string()
        }
        '\u{2025}' => "..".to_owned(),
        '\u{2026}' => "...".to_owned(),
        '\u{2215}' => "/".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(ascii).collect()
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']).skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Every spelling of a dot segment and of a separator, before, behind and inside of what the rules allow.
fn hostile_paths() -> Vec<String> {
    let dots = [
        "..",
        ".",
        "%2e%2e",
        ".%2e",
        "%252e%252e",
        ".%252e",
        "%25252e.",
        "..;",
        "..;x=y",
        "..%3b",
        ";",
        ";x",
        "%3Bx",
        "．．",
        "‥",
        "…",
        "%EF%BC%8E.",
        "..%EF%BC%9B",
        "..%00",
        "..%2500",
        "..%20",
        "..%2520",
        "%25c0%25ae.",
        "%25u002e.",
        "..%3F",
        "..%253F",
        "x",
        "%25",
        "50%25",
        "[..]",
        "[",
        "%5B",
    ];
    let separators = [
        "/",
        "%2f",
        "%252f",
        "%25252F",
        "%5c",
        "%255c",
        "\\",
        "／",
        "%EF%BC%8F",
        "∕",
        ";/",
        "%3b/",
        "%253b/",
        "//",
        "%25EF%25BC%258F",
        "%EF%BC%852f",
    ];
    let mut paths = Vec::new();
    for dots in dots {
        for before in separators {
            for after in ["", "%252f", ";"] {
                paths.push(format!("/open/x{before}{dots}{after}secret"));
            }
            paths.push(format!("/c/{before}{dots}/d"));
            paths.push(format!("/a{before}{dots}"));
        }
        paths.push(format!("/a/b{dots}"));
        paths.push(format!("/{dots}/open/x"));
    }
    paths
}

#[tokio::test]
async fn every_reading_of_the_configured_kind_of_server_is_allowed() {
    let upstream = Upstream::hello().await;
    let token = Token::allowing(&RULES).mint();
    for kind in PathReading::ALL {
        for slash in [EncodedSlash::Both, EncodedSlash::Opaque] {
            let proxy = reading(&upstream, slash, kind).await;
            let mut client = Client::connect(&proxy).await;
            for path in hostile_paths() {
                let response =
                    client.exchange(request(&format!("GET {path}"), &token, &[], "")).await;
                assert!([200, 400, 403].contains(&response.status), "{path}: {}", response.status);
                if response.one("connection") == Some("close") {
                    client = Client::connect(&proxy).await;
                }
            }
            let reached = upstream.take_requests();
            assert!(
                reached.len() >= 15,
                "{kind:?} {slash:?}: only {} requests reached the upstream",
                reached.len()
            );
            for seen in reached {
                let path = seen.target.split('?').next().unwrap();
                let wrong = readings(path, slash, kind)
                    .into_iter()
                    .find(|reading| !is_allowed(&reading.replace('\u{0}', "%2F")));
                assert_eq!(wrong, None, "{path} with {kind:?} and {slash:?}");
            }
        }
    }
}
