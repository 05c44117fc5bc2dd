//! Fuzzes the rewriting of JSON bodies: the result does not depend on the pieces of the body, and
//! agrees with a JSON parser.
//!
//! Input: a byte, of which two bits choose the members and six are the length of the pieces; then
//! the body.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use magicproxy_fuzz::rewritten;
use magicproxy_proxy::rewrite::{LinkMap, Members};
use serde_json::Value;

/// Patterns for all members, and for some members.
const MEMBERS: [&[&str]; 4] =
    [&["**"], &["a", "**.b*", "!**.c.**"], &["*.*", "**.a.**.b"], &["** /b"]];

/// The greatest depth at which the rewriter follows members of objects and lists.
const MAX_LEVELS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let members = MEMBERS[usize::from(choice >> 6)];
    let size = choice & 0x3F;
    let links = LinkMap::new([
        ("https://api.github.com", "http://127.0.0.1:5000/github/api/v3"),
        ("https://h/a", "http://p/longer/than/before"),
        ("https://h/a/b", "http://p"),
    ]);
    let members = Members::parse(members.iter().copied()).expect("they name members");
    let links = Arc::new(links.following(Arc::new(members)));
    let whole = rewritten(&links, body, body.len().max(1));
    assert_eq!(rewritten(&links, body, usize::from(size).max(1)), whole);
    assert_eq!(rewritten(&links, body, 1), whole);
    let Ok(before) = serde_json::from_slice::<Value>(body) else { return };
    let after = serde_json::from_slice(&whole).expect("JSON stays JSON");
    // Parsing loses escapes and blanks: a string with an escape or a blank may stay unchanged,
    // although the parsed text could be rewritten.
    let shallow = body.iter().filter(|byte| b"{[".contains(byte)).count() <= MAX_LEVELS;
    let plain = choice >> 6 == 0 && shallow && body.len() < 8192 && !body.contains(&b'\\');
    compare(&links, &before, &after, plain);
});

fn compare(links: &LinkMap, before: &Value, after: &Value, plain: bool) {
    match (before, after) {
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            before
                .iter()
                .zip(after)
                .for_each(|(before, after)| compare(links, before, after, plain));
        }
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()), "names changed");
            before
                .values()
                .zip(after.values())
                .for_each(|(before, after)| compare(links, before, after, plain));
        }
        (Value::String(before), Value::String(after)) if is_url(before) => {
            let home = links.rewrite_url(before);
            assert!(
                before == after && !plain || home.as_ref().unwrap_or(before) == after,
                "{before} became {after}"
            );
        }
        _ => assert_eq!(before, after),
    }
}

/// True if the text may be a URL and nothing else.
fn is_url(text: &str) -> bool {
    text.starts_with("http")
        && !text.chars().any(|byte| byte <= ' ' || "\"\\<>`\u{7f}".contains(byte))
}
