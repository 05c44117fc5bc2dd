//! JSON in which no object has a member twice is read as any reader of JSON reads it.

use magicproxy_core::json::UniqueValue;
use proptest::prelude::*;
use serde_json::Value;

fn value() -> impl Strategy<Value = Value> {
    let single = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "[a-zé\\n]{0,8}".prop_map(Value::from),
    ];
    single.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_has_one_reading_is_read(value in value()) {
        let text = value.to_string();
        let UniqueValue(read) = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, serde_json::from_str::<Value>(&text).unwrap());
    }

    /// Wherever the object stands, and whatever its members hold.
    #[test]
    fn what_has_two_readings_is_refused(value in value(), other in value()) {
        for twice in [format!(r#"{{"a":{value},"b":1,"a":{other}}}"#), format!(r#"[{value},{{"a":1,"\u0061":{other}}}]"#)] {
            prop_assert!(serde_json::from_str::<UniqueValue>(&twice).is_err(), "{}", twice);
        }
    }
}
