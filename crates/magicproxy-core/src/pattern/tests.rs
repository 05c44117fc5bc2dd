//! Which patterns are simple.

use super::*;

fn parsed(text: &str) -> Pattern {
    Pattern::parse(text, PatternMode::Whole, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap()
}

#[test]
fn most_rules_are_templates() {
    for text in [
        "/",
        "/user",
        "/repos/[^/]+/[^/]+/issues",
        "/repos/acme/([^/]+)/issues/\\d+",
        "/repos/acme/.*",
        "/a[b-d]*/x\\.y",
        "/(?:[^/]+)/b",
        "/[ab]+?/b",
        "/v2/domains/[a-z0-9.-]+/records",
        "/a|/b",
        "/a?",
        "/[ab]",
        "/repos/acme/(issues|pulls)(/[0-9]+)?",
        "/commits/[0-9a-f]{40}",
        "/[0-9]{2}[0-9]{4}",
        "/(a|b)(c|d)(e|f)(g|h)",
    ] {
        assert!(parsed(text).template().is_some(), "{text}");
    }
    let many = format!("/({})", (b'a'..=b'q').map(|byte| format!("{0}{0}", char::from(byte))).collect::<Vec<_>>().join("|"));
    // 20 states for each byte that can be told from others, of which there are too many.
    let wide = format!("/[{}]{{20}}", (0..=127).map(|byte| format!("\\x{:02x}", byte * 2)).collect::<String>());
    let long = format!("/{}", "abcdefghijklmnopqrstuvwxyz0123456789".repeat(8));
    for text in [
        "/a.*b",
        "/[ab]+a",
        "/[^/]+[0-9]+",
        "/[^/]+(a|/)",
        "/[^/]+(/[^/]+)*",
        "/?",
        "[^a]+",
        "/(ab)+",
        "/(ab){2}",
        "/[ab]{2,}",
        "/[ab]{2,3}",
        "/(a|b)(c|d)(e|f)(g|h)(i|j)k*",
        "/\\b",
        &many,
        &wide,
        &long,
    ] {
        assert!(parsed(text).template().is_none(), "{text}");
    }
    let blind = Pattern::parse("/a", PatternMode::DangerPrefix, &mut Budget::new(MAX_PATTERN_STEPS)).unwrap();
    assert!(blind.template().is_none());
}
