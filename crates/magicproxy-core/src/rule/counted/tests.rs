use super::CountedRule;
use crate::rule::RawRule;

fn check(written: &str, counted: &str) {
    let RawRule::Object(object) = RawRule::from_json(written).unwrap() else {
        panic!("{written} is no object")
    };
    assert_eq!(serde_json::to_string(&CountedRule::of(&object)).unwrap(), counted);
}

/// What a store has counted under the names of before is found.
#[test]
fn a_count_keeps_the_first_names_of_members() {
    check(
        r#"{"method":"PATCH","path":"/a","limit":{"total":3},"list_items":{"list":"r","key":["n"],"creates":{"c":"R"},"deletes":{"c":"D"},"deletes_if_empty":"records","only":{"n":"x*"},"lookup":"?n={n}"},"owner":"dns"}"#,
        r#"{"method":"PATCH","path":"/a","limit":{"total":3},"elements":{"list":"r","key":["n"],"creates":{"c":"R"},"deletes":{"c":"D"},"empty":"records","only":{"n":"x*"},"lookup":"?n={n}"},"owner":"dns"}"#,
    );
}

/// A rule without list items is counted by its own text.
#[test]
fn all_else_is_counted_as_it_is_written() {
    for rule in [
        r#"{"method":["GET","PUT"],"route":"/a/{b}","limit":{"requests":3,"per":"1h"}}"#,
        r#"{"method":"POST","path":"/a","grants":["GET /a/{response.id}"],"receipt":true}"#,
        r#"{"method":"POST","path":"/a","grants":["GET /a/{response.id}"],"owner":"dns"}"#,
    ] {
        check(rule, rule);
        let RawRule::Object(object) = RawRule::from_json(rule).unwrap() else {
            panic!("{rule} is no object")
        };
        assert_eq!(serde_json::to_string(&object).unwrap(), rule);
    }
}
