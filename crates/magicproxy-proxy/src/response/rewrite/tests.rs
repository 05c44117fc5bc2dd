//! The vectors, and what needs more than a line to say.

mod gzip;
mod json;
mod members;
mod oracle;
mod vectors;

use std::sync::Arc;

use bytes::Bytes;

use super::*;

const FROM: &str = "https://api.github.com";
const TO: &str = "http://127.0.0.1:5000/github/api/v3";

fn links() -> Arc<LinkMap> {
    Arc::new(LinkMap::new([(FROM, TO)]).with_origin(FROM).following(members(&["**"])))
}

fn members(texts: &[&str]) -> Arc<Members> {
    Arc::new(Members::parse(texts.iter().copied()).unwrap())
}

/// What becomes of a body that comes in these pieces.
fn rewritten<'p>(links: &Arc<LinkMap>, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut rewriter = JsonRewriter::new(Arc::clone(links));
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
        assert!(rewriter.held() < 8192);
    }
    out.extend_from_slice(&rewriter.finish());
    out
}
