//! How fast links in JSON are rewritten: `cargo bench -p magicproxy-proxy`.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use magicproxy_proxy::rewrite::{JsonRewriter, LinkMap, Members};

/// What one read of a socket brings.
const PIECE: usize = 16 * 1024;

/// About as many as a preset names.
const MEMBERS: [&str; 8] = [
    "**.url",
    "**.*_url",
    "**._links.*.href",
    "!data.**",
    "!**.html_url",
    "!**.config.**",
    "!**.payload.**",
    "!**.target_url",
];

fn main() {
    divan::main();
}

/// One issue, in the form of GitHub's responses: a fifth of it are URLs of the API.
fn issue(number: usize) -> String {
    let at = format!("https://api.github.com/repos/acme/rocket/issues/{number}");
    format!(
        "{{\"url\":\"{at}\",\"repository_url\":\"https://api.github.com/repos/acme/rocket\",\"labels_url\":\"{at}/labels{{/name}}\",\
         \"comments_url\":\"{at}/comments\",\"events_url\":\"{at}/events\",\
         \"html_url\":\"https://github.com/acme/rocket/issues/{number}\",\"id\":{number}17,\"node_id\":\"I_kwDOB{number}\",\
         \"title\":\"The engine says \\\"no\\\" after {number} starts\",\"state\":\"open\",\"locked\":false,\"comments\":{number},\
         \"created_at\":\"2026-01-02T03:04:05Z\",\"closed_at\":null,\"author_association\":\"CONTRIBUTOR\",\"body\":\"{}\"}}",
        "What happened: it started, it ran, it stopped.\\r\\nWhat should have happened: the same, later. ".repeat(20)
    )
}

fn pieces(text: String) -> Vec<Bytes> {
    let text = Bytes::from(text);
    (0..text.len())
        .step_by(PIECE)
        .map(|from| text.slice(from..text.len().min(from + PIECE)))
        .collect()
}

fn rewrite(bencher: Bencher<'_, '_>, text: String) {
    let members = Members::parse(MEMBERS).unwrap_or_default();
    let links = LinkMap::new([("https://api.github.com", "http://127.0.0.1:5000")])
        .following(Arc::new(members));
    let links = Arc::new(links);
    let (length, pieces) = (text.len(), pieces(text));
    bencher.counter(BytesCount::new(length)).bench(|| {
        let mut rewriter = JsonRewriter::new(Arc::clone(&links));
        for piece in &pieces {
            black_box(rewriter.push(piece.clone()));
        }
        black_box(rewriter.finish())
    });
}

#[divan::bench]
fn a_page_of_issues(bencher: Bencher<'_, '_>) {
    rewrite(bencher, format!("[{}]", (1..=100).map(issue).collect::<Vec<_>>().join(",")));
}

#[divan::bench]
fn json_without_links(bencher: Bencher<'_, '_>) {
    rewrite(
        bencher,
        format!("[{}]", (1..=100).map(issue).collect::<Vec<_>>().join(","))
            .replace("https://", "ftp-es://"),
    );
}
