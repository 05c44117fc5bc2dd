//! Whatever bytes come in: what reaches the upstream with the credential was allowed, in every reading that an upstream may
//! make of it. The rules are matched here a second time, by a naive implementation that shares nothing with the first.

use std::time::{Duration, Instant};

use magicproxy_core::EncodedSlash;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use proptest::{option, prop_assert, prop_oneof};

use crate::support::{
    CREDENTIAL, Client, OnlyUpstream as _, Proxy, Reply, Seen, Token, Upstream, all, find,
};

const RULES: [&str; 4] = ["GET /a/[a-z]+", "POST /b", "* /c/[^/]+/d", "GET /open/.*"];
/// How long the search goes on.
const BUDGET: Duration = Duration::from_secs(12);
/// So many requests that reached the upstream say something.
const ENOUGH: usize = 100;
/// After so many rounds they would have.
const MAX_ROUNDS: usize = 60;
const SHORT: Duration = Duration::from_millis(150);

/// The rules again.
fn is_allowed(method: &str, path: &[u8]) -> bool {
    let reads = method == "GET" || method == "HEAD";
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    match segments.as_slice() {
        [b"", b"a", name] => reads && !name.is_empty() && name.iter().all(u8::is_ascii_lowercase),
        [b"", b"b"] => method == "POST",
        [b"", b"c", name, b"d"] => !name.is_empty() && !["CONNECT", "TRACE"].contains(&method),
        [b"", b"open", _, ..] => reads,
        _ => false,
    }
}

/// The paths that servers may make of one: decoded up to three times, with backslashes as slashes, slashes merged, parameters
/// cut off, ended at what ends a path or a string, without dot segments; and any of these together.
fn readings(path: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut decoded = path.to_vec();
    for _ in 0..=3 {
        for choices in 0..16 {
            let mut reading = decoded.clone();
            if choices & 1 != 0 {
                reading.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
            }
            if choices & 2 != 0 {
                let end = reading
                    .iter()
                    .position(|byte| b"?#\0\r\n".contains(byte))
                    .unwrap_or(reading.len());
                reading.truncate(end);
            }
            if choices & 4 != 0 {
                let cut =
                    |segment: &[u8]| segment.split(|byte| *byte == b';').next().unwrap().to_vec();
                reading =
                    reading.split(|byte| *byte == b'/').map(cut).collect::<Vec<_>>().join(&b'/');
            }
            if choices & 8 != 0 {
                reading.dedup_by(|next, byte| *next == b'/' && *byte == b'/');
            }
            all.push(without_dots(&reading));
        }
        decoded = percent_decoded(&decoded);
    }
    all
}

pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        let digits =
            bytes.get(index + 1..index + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| bytes[index] == b'%')
        {
            Some(byte) => (out.push(byte), index += 3).1,
            None => (out.push(bytes[index]), index += 1).1,
        }
    }
    out
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match *segment {
            b".." => drop(out.pop()),
            b"." => {}
            _ => {
                out.push(segment);
                continue;
            }
        }
        if last {
            out.push(b"");
        }
    }
    [b"/".as_slice(), &out.join(&b'/')].concat()
}

/// What is wrong with a request that reached the upstream.
fn fault(seen: &Seen) -> Option<String> {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    if let Some(reading) =
        readings(path.as_bytes()).iter().find(|reading| !is_allowed(&seen.method, reading))
    {
        return Some(format!("not allowed as {}", String::from_utf8_lossy(reading)));
    }
    for parameter in query.as_bytes().split(|byte| b"&;".contains(byte)) {
        let mut name = parameter.split(|byte| *byte == b'=').next().unwrap().to_vec();
        for _ in 0..=3 {
            let bare = name
                .iter()
                .position(|byte| !b"[]".contains(byte))
                .map_or(&name[..], |start| &name[start..]);
            if bare
                .split(|byte| b"=[]".contains(byte))
                .next()
                .unwrap()
                .eq_ignore_ascii_case(b"_method")
            {
                return Some("overrides the method".to_owned());
            }
            name = percent_decoded(&name);
        }
    }
    if seen.all("authorization") != [format!("Bearer {CREDENTIAL}")] || seen.all("host").len() != 1
    {
        return Some("not one credential and one host".to_owned());
    }
    if seen.all("content-length").len() + seen.all("transfer-encoding").len() > 1 {
        return Some("framed in two ways".to_owned());
    }
    let is_bad = |name: &str| {
        name.contains('_')
            || name.contains("override")
            || name.contains("rewrite")
            || name.contains("forwarded")
    };
    seen.names().into_iter().find(|name| is_bad(name)).map(|name| format!("`{name}` was passed on"))
}

#[test]
fn the_naive_reading_finds_what_it_should() {
    for (method, path) in [
        ("GET", "/a/abc"),
        ("HEAD", "/a/abc"),
        ("POST", "/b"),
        ("PUT", "/c/x%20y/d"),
        ("GET", "/open/a/b%3F"),
    ] {
        assert!(
            readings(path.as_bytes()).iter().all(|reading| is_allowed(method, reading)),
            "{path}"
        );
    }
    for (method, path) in [
        ("GET", "/a/ABC"),
        ("GET", "/a"),
        ("POST", "/b/"),
        ("GET", "/open/../a"),
        ("GET", "/open/%252e%252e/x"),
        ("GET", "/open/%5c../x"),
        ("GET", "/c/x%3F/d"),
        ("GET", "/c/x%2Fy/d"),
        ("GET", "/c/;/d"),
        ("GET", "/open/..;/x"),
        ("GET", "/c/%00/d"),
        ("TRACE", "/c/x/d"),
    ] {
        assert!(
            !readings(path.as_bytes()).iter().all(|reading| is_allowed(method, reading)),
            "{path}"
        );
    }
}

type Bytes = Vec<u8>;

fn piece(pieces: &'static [&'static [u8]]) -> impl Strategy<Value = Bytes> {
    select(pieces).prop_map(<[u8]>::to_vec)
}

/// Mostly the ordinary, so that something gets through.
fn mostly(
    ordinary: &'static [u8],
    others: &'static [&'static [u8]],
) -> impl Strategy<Value = Bytes> {
    prop_oneof![12 => Just(ordinary.to_vec()), 1 => piece(others)]
}

fn target() -> impl Strategy<Value = Bytes> {
    const GOOD: &[&[u8]] =
        &[b"/a/abc", b"/b", b"/c/x/d", b"/open/x", b"/open/", b"/open", b"/a/", b"/c/"];
    const ODD: &[&[u8]] = &[
        b"/",
        b"a",
        b"b",
        b"/d",
        b"abc",
        b"open",
        b"..",
        b".",
        b"%2e",
        b"%2E%2e",
        b"%2f",
        b"%2F",
        b"%5c",
        b"\\",
        b"//",
        b";",
        b";x=",
        b"%3b",
        b"%3f",
        b"%23",
        b"?",
        b"#",
        b"%00",
        b"%25",
        b"%252e",
        b"%61",
        b"%",
        b"%c0%ae",
        b"%ef%bc%8f",
        b"%E2%80%A5",
        b"\xc3\xa9",
        b"%c3%a9",
        b"@",
        b":",
        b"*",
        b"&",
        b"_method=PUT",
        b"%5fmethod=PUT",
        b"&[_method]=PUT",
        b"?_method",
        b"=",
        b"+",
        b"%20",
        b"%0d%0a",
        b"\t",
        b"http://h",
        b"/../",
        b"/%2e%2e/",
        b"/.;/",
        b"~",
        b"!",
        b"'",
        b"\"",
        b"<",
        b"{",
        b"|",
    ];
    (
        piece(GOOD),
        prop_oneof![vec(piece(ODD), 0..2), vec(piece(ODD), 2..5)],
        option::weighted(0.2, piece(GOOD)),
    )
        .prop_map(|(first, odd, last)| {
            let mut target = first;
            target.extend(odd.concat());
            target.extend(last.unwrap_or_default());
            target
        })
}

fn head_line() -> impl Strategy<Value = Bytes> {
    const METHODS: &[&[u8]] = &[
        b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT",
        b"get", b"GET ", b"PRI", b"G\tT",
    ];
    const VERSIONS: &[&[u8]] = &[
        b" HTTP/1.1",
        b" HTTP/1.1",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b" HTTP/2.0",
        b" HTTP/1.2",
        b"",
        b"  HTTP/1.1",
        b" HTTP/1.1 ",
    ];
    (piece(METHODS), target(), piece(VERSIONS)).prop_map(|(method, target, version)| {
        [&method, b" ".as_slice(), &target, &version].concat()
    })
}

fn field() -> impl Strategy<Value = Bytes> {
    const FIELDS: &[&[u8]] = &[
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: 40",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"content_length: 5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: Chunked ",
        b"Transfer-Encoding: x",
        b"Transfer-Encoding:\tchunked",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Connection: close",
        b"Connection: authorization, host",
        b"Connection: transfer-encoding",
        b"X-HTTP-Method-Override: DELETE",
        b"X_HTTP_Method_Override: DELETE",
        b"X-Original-URL: /admin",
        b"X-Rewrite-URL: /admin",
        b"X-Forwarded-Host: evil",
        b"Host: evil",
        b"Host:",
        b"Authorization: Bearer x",
        b"Cookie: a=b",
        b"Expect: 100-continue",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Key: x",
        b"X-A: 1\rX-B: 2",
        b"X-A: \0",
        b" folded",
        b":",
        b"X-\xe4: 1",
        b"TE: trailers",
        b"Trailer: Authorization",
        b"Accept-Encoding: br",
    ];
    piece(FIELDS)
}

fn ending() -> impl Strategy<Value = Bytes> {
    mostly(b"\r\n", &[b"\n", b"\r", b"\r\r\n"])
}

fn body() -> impl Strategy<Value = Bytes> {
    const BODIES: &[&[u8]] = &[
        b"",
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"5;x\r\nhello\r\n0\r\nAuthorization: x\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
        b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
        b"1\r\nGET /admin HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
    ];
    prop_oneof![2 => Just(Vec::new()), 1 => piece(BODIES)]
}

/// Stands for the token.
const TOKEN: &[u8] = b"@TOKEN@";

/// One request, ordinary or not.
fn message() -> impl Strategy<Value = Bytes> {
    let usual = prop_oneof![12 => Just(true), 1 => Just(false)];
    let fields = prop_oneof![2 => Just(Vec::new()), 1 => vec((field(), ending()), 1..4)];
    (head_line(), usual, fields, ending(), ending(), body()).prop_map(
        |(line, usual, fields, first, last, body)| {
            let mut bytes = line;
            bytes.extend(first);
            if usual {
                bytes.extend_from_slice(b"Host: proxy.test\r\nAuthorization: Bearer @TOKEN@\r\n");
            }
            for (field, ending) in fields {
                bytes.extend(field);
                bytes.extend(ending);
            }
            bytes.extend(last);
            bytes.extend(body);
            bytes
        },
    )
}

/// Sends what one client has to say, and waits until the proxy has done with it.
async fn say(proxy: &Proxy, token: &str, messages: &[Bytes]) {
    let mut client = Client::connect(proxy).await;
    let text = messages.concat();
    let mut bytes = Vec::new();
    let mut rest = text.as_slice();
    while let Some(at) = find(rest, TOKEN) {
        bytes.extend_from_slice(&rest[..at]);
        bytes.extend_from_slice(token.as_bytes());
        rest = &rest[at + TOKEN.len()..];
    }
    bytes.extend_from_slice(rest);
    // In a dialogue that is still in step this one ends the connection; in one that is not, the proxy's timeouts do.
    bytes.extend_from_slice(
        b"GET /__magictoken HTTP/1.1\r\nHost: proxy.test\r\nConnection: close\r\n\r\n",
    );
    client.try_send(bytes).await;
    client.closed().await;
}

#[test]
fn what_reaches_the_upstream_was_allowed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (upstream, proxies, token) = runtime.block_on(async {
        let hello = |seen: &Seen| {
            let body = if seen.method == "HEAD" { "" } else { "hello" };
            Reply::bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"))
        };
        let upstream = Upstream::scripted(hello).await;
        let mut proxies = Vec::new();
        for slash in [EncodedSlash::Refuse, EncodedSlash::Both] {
            let proxy = Proxy::with(&upstream, |settings| {
                settings.upstream_mut().encoded_slash = slash;
                (
                    settings.timeouts.header,
                    settings.timeouts.body_idle,
                    settings.timeouts.keep_alive,
                ) = (SHORT, SHORT, SHORT);
            });
            proxies.push(proxy.await);
        }
        (upstream, proxies, Token::allowing(&RULES).mint())
    });
    let reached = std::cell::Cell::new(0);
    let search = |batch: Vec<Vec<Bytes>>| {
        let clients: Vec<_> = batch
            .iter()
            .enumerate()
            .map(|(number, said)| say(&proxies[number % 2], &token, said))
            .collect();
        runtime.block_on(all(clients));
        for seen in upstream.take_requests() {
            reached.set(reached.get() + 1);
            prop_assert!(fault(&seen).is_none(), "{:?}: {:?}", fault(&seen), seen);
        }
        Ok(())
    };
    let (start, mut rounds) = (Instant::now(), 0);
    // On a machine that is slow, until enough has been seen.
    while start.elapsed() < BUDGET || (reached.get() <= ENOUGH && rounds < MAX_ROUNDS) {
        rounds += 1;
        let config = Config {
            cases: 10,
            failure_persistence: None,
            max_shrink_iters: 500,
            ..Config::default()
        };
        TestRunner::new(config).run(&vec(vec(message(), 1..4), 32), search).unwrap();
    }
    assert!(reached.get() > ENOUGH, "only {} requests reached the upstream", reached.get());
}
