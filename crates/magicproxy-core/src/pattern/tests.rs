//! Which patterns are simple.

mod bounds;

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
    let many = format!(
        "/({})",
        (b'a'..=b'q').map(|byte| format!("{0}{0}", char::from(byte))).collect::<Vec<_>>().join("|")
    );
    // 20 states for each byte that can be told from others, of which there are too many.
    let wide = format!(
        "/[{}]{{20}}",
        (0..=127).map(|byte| format!("\\x{:02x}", byte * 2)).collect::<String>()
    );
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
    let blind =
        Pattern::parse("/a", PatternMode::DangerPrefix, &mut Budget::new(MAX_PATTERN_STEPS))
            .unwrap();
    assert!(blind.template().is_none());
}

/// `rules.md` section 4: *s* states, *r* for the bytes that are told apart, *t* of states and ranges, *w* ways.
#[test]
fn a_template_is_as_large_as_its_automaton_may_be() {
    #[track_caller]
    fn check(most: usize, pattern: impl Fn(usize) -> String) {
        for (count, expected) in [(most, true), (most + 1, false)] {
            assert_eq!(
                parsed(&pattern(count)).template().is_some(),
                expected,
                "{count}: {}",
                pattern(count)
            );
        }
    }
    let letters = |count: usize| "a".repeat(count);
    // s <= 512: a state for each byte and each fixed repetition, three for another class, and eight.
    check(512 - 8 - 1, |count| format!("/{}", letters(count)));
    check(512 - 8 - 1, |count| format!("/[ab]{{{count}}}"));
    check(512 - 8 - 1 - 3, |count| format!("/{}[bc]*", letters(count)));
    check(512 - 8 - 2 - 3, |count| format!("/{}/[^/]+", letters(count)));
    // 32 s + 16 t <= 32 KiB: each letter of the class is a range of its own, and each range counts twice.
    check((32 * 1024 - 32 * 9 - 16) / (32 + 16 * 26), |count| {
        format!("/[acegikmoqsuwy]{{{count}}}")
    });
    // 4 s r <= 64 KiB: 66 bytes are told apart, for which r is 128; or 54, for which it is 64.
    let distinct: String = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    check(128 - 8 - 1 - 62, |count| format!("/{distinct}{}", letters(count)));
    let classes: String = "ACEGIKMOQSUWYacegikmoqsuwy"
        .as_bytes()
        .chunks(2)
        .map(|pair| format!("[{}]", String::from_utf8_lossy(pair)))
        .collect();
    check(256 - 8 - 1 - 13, |count| format!("/{classes}{}", letters(count)));
    // The same wherever the bytes stand that classes tell apart: of each quarter of all bytes, 64 to 66 are, for which r is 128.
    for quarter in 0..4_u8 {
        let classes: String =
            (0..31).map(|number| format!("[a\\x{:02x}]", quarter * 64 + 2 * number)).collect();
        check(128 - 8 - 1 - 31, |count| format!("/{classes}{}", letters(count)));
    }
    // 2 s r w <= 100,000: 11 bytes are told apart, for which r is 16.
    let ways: Vec<String> = (0..16)
        .map(|number| {
            format!("/{}{}aaaaaaaa", char::from(b'a' + number / 4), char::from(b'e' + number % 4))
        })
        .collect();
    check(100_000 / (2 * 16 * 16) - 8 - 16 * 11, |count| {
        format!("{}{}", ways.join("|"), letters(count))
    });
}

/// Alternatives multiply, wherever they stand.
#[test]
fn a_template_has_sixteen_ways() {
    let alternatives = |count: u8| {
        (b'a'..b'a' + count)
            .map(|byte| format!("{0}{0}", char::from(byte)))
            .collect::<Vec<_>>()
            .join("|")
    };
    for (pattern, expected) in [
        (format!("/({})", alternatives(16)), true),
        (format!("/({})", alternatives(17)), false),
        (format!("/({})x({})", alternatives(4), alternatives(4)), true),
        (format!("/({})x({})", alternatives(4), alternatives(5)), false),
        (format!("/({})(/x)?", alternatives(8)), true),
        (format!("/({})(/x)?", alternatives(9)), false),
        (format!("/({0})({0})({0})", alternatives(3)), false),
    ] {
        assert_eq!(parsed(&pattern).template().is_some(), expected, "{pattern}");
    }
}

/// Of a pattern whose NFA is too large, what that took is counted: about as much as the largest NFA that there may be.
#[test]
fn what_a_too_large_pattern_takes_is_counted() {
    let text = "/(?:(?:ab?.){100}){100}";
    let work = Work::of_steps(1_000_000);
    let refused =
        Pattern::parse(text, PatternMode::Whole, &mut Budget::within(MAX_PATTERN_STEPS, &work));
    assert!(matches!(refused, Err(PatternError::TooComplex)) && !work.is_spent());
    // 64 KiB are 2,730 states of 24 bytes, at four steps each.
    assert_eq!(1_000_000 - work.left(), text.len() + STEPS_OF_A_RULE + 2_730 * 4);
}
