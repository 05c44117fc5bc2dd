//! How fast JSON is rewritten: `cargo run --release -p magicproxy-proxy --example rewriting`.

#![allow(clippy::print_stdout, reason = "it is what this is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use magicproxy_proxy::rewrite::{JsonRewriter, LinkMap, Members};

const PIECE_BYTES: usize = 16 * 1024;
const AT_LEAST: Duration = Duration::from_millis(500);
const TO: &str = "http://127.0.0.1:5000/github";

fn main() {
    let api = LinkMap::new([("https://api.github.com", TO), ("https://uploads.github.com", TO)]);
    let other = LinkMap::new([("https://h.example/api", TO)]);
    let users = repeated(&user());
    let prose = repeated(&format!(
        "{{\"id\": 1, \"body\": \"{}\"}}",
        "Some words, and a \\\"quoted\\\" one. ".repeat(200)
    ));
    measure("GitHub users, 3 in 4 strings match", &api, &users);
    measure("GitHub users, no string matches", &other, &users);
    measure("long texts without URLs", &api, &prose);
}

fn measure(name: &str, links: &LinkMap, body: &Bytes) {
    let members =
        Members::parse(["**.url", "**.*_url", "!**.html_url", "!**.config.**"]).unwrap_or_default();
    let links = Arc::new(links.clone().following(Arc::new(members)));
    let mut best = 0.0_f64;
    let start = Instant::now();
    while start.elapsed() < AT_LEAST {
        let round = Instant::now();
        let mut rewriter = JsonRewriter::new(Arc::clone(&links));
        let mut rest = body.clone();
        while !rest.is_empty() {
            black_box(rewriter.push(rest.split_to(rest.len().min(PIECE_BYTES))));
        }
        black_box(rewriter.finish());
        best = best.max(body.len() as f64 / round.elapsed().as_secs_f64() / 1e6);
    }
    println!("{name:40} {best:8.0} MB/s");
}

/// Some megabytes of it.
fn repeated(item: &str) -> Bytes {
    format!("[{}]", vec![item; (8 << 20) / item.len()].join(",")).into()
}

/// As `GET /users/octocat` gives it.
fn user() -> String {
    let url = |rest: &str| format!("https://api.github.com/users/octocat{rest}");
    let member = |name: &str, rest: &str| format!("\"{name}\":\"{}\",", url(rest));
    [
        "{\"login\":\"octocat\",\"id\":583231,\"node_id\":\"MDQ6VXNlcjU4MzIzMQ==\",\"gravatar_id\":\"\",",
        "\"avatar_url\":\"https://avatars.githubusercontent.com/u/583231?v=4\",\"html_url\":\"https://github.com/octocat\",",
        &member("url", ""),
        &member("followers_url", "/followers"),
        &member("following_url", "/following{/other_user}"),
        &member("gists_url", "/gists{/gist_id}"),
        &member("starred_url", "/starred{/owner}{/repo}"),
        &member("subscriptions_url", "/subscriptions"),
        &member("organizations_url", "/orgs"),
        &member("repos_url", "/repos"),
        &member("events_url", "/events{/privacy}"),
        &member("received_events_url", "/received_events"),
        "\"type\":\"User\",\"site_admin\":false,\"name\":\"The Octocat\",\"company\":\"@github\",\"blog\":\"https://github.blog\"}",
    ]
    .concat()
}
