//! Fuzzes route templates: a template allows exactly the paths that a comparison segment by segment
//! allows.
//!
//! Input: a template on the first line, a path on the second.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{PatternMode, Policy, RawRule, Rule};
use magicproxy_fuzz::target;
use serde_json::json;

fuzz_target!(|data: &str| {
    let Some((template, path)) = data.split_once('\n') else { return };
    let raw: RawRule = serde_json::from_value(json!({ "method": "GET", "route": template }))
        .expect("this is a rule's form");
    let Ok(rule) = Rule::parse(raw, PatternMode::Whole) else { return };
    let policy = Policy::compile([&rule]).expect("a rule that was accepted compiles alone");
    let Some(target) = target(path) else { return };
    let segments: Vec<&str> = template.split('/').collect();
    let expected =
        target.readings().all(|reading| fits(&segments, &reading.split('/').collect::<Vec<_>>()));
    assert_eq!(policy.allows("GET", &target).is_some(), expected, "{template} and {target}");
});

/// Compares the slow and obvious way.
fn fits(template: &[&str], path: &[&str]) -> bool {
    match (template.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((segment, template)), Some((given, path))) => {
            one_fits(segment, given)
                && (fits(template, path)
                    || (segment.ends_with("*}") && fits_more(segment, template, path)))
        }
        _ => false,
    }
}

/// Compares with one more segment in a capture with `*`.
fn fits_more(segment: &str, template: &[&str], path: &[&str]) -> bool {
    let rest: Vec<&str> = std::iter::once(segment).chain(template.iter().copied()).collect();
    fits(&rest, path)
}

fn one_fits(segment: &str, given: &str) -> bool {
    if segment.starts_with('{') { !given.is_empty() } else { canonical(segment) == given }
}

/// Encodes literal text as a request spells it: bytes that cannot stand in a path are
/// percent-encoded.
fn canonical(segment: &str) -> String {
    let mut encoded = String::from("/");
    for byte in segment.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"<>^`|[]".contains(&byte) => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02x}")),
        }
    }
    let target = magicproxy_core::RequestTarget::parse(
        encoded.as_bytes(),
        magicproxy_core::EncodedSlash::Opaque,
    );
    target.map_or_else(|_| "/".to_owned(), |target| target.path()[1..].to_owned())
}
