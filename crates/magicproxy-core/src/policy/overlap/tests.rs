mod examples;

use super::*;
use crate::pattern::PatternMode;
use crate::rule::RawRule;

fn rule(text: &str) -> Rule {
    Rule::parse(RawRule::Text(text.to_owned()), PatternMode::Whole).unwrap()
}

#[test]
fn what_two_rules_share() {
    for (one, other, shared) in [
        ("GET /user", "GET /user", true),
        ("GET /user", "GET /users", false),
        ("GET /user", "PUT /user", false),
        ("HEAD /user", "GET /user", true),
        ("* /user", "PUT /user", true),
        ("GET /a/.*", "GET /.*/b", true),
        ("GET /a/.*", "GET /b/.*", false),
        ("GET /[a-m]+", "GET /[n-z]+", false),
        ("GET /[a-m]+", "GET /[m-z]+", true),
        ("GET /a{3}", "GET /a{2}", false),
        ("GET /(aa)+", "GET /(aaa)+", true),
    ] {
        assert_eq!(rule(one).overlaps_any(&[rule(other)]), Some(shared), "{one} | {other}");
        assert_eq!(rule(other).overlaps_any(&[rule(one)]), Some(shared), "{other} | {one}");
    }
    let parents = [rule("GET /a/.*"), rule("PUT /b")];
    assert_eq!(Policy::futile(&[rule("GET /a/1"), rule("GET /b"), rule("PUT /.*")], &parents), [1]);
}
