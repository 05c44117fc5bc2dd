//! Caps of rules: `rules.md`, `state.md` sections 2, 3 and 5.

use magicproxy_core::rule::{Document, Facts, ListItemsDenial, NoGrant};
use magicproxy_core::{PatternMode, RawRule, Rule, RuleFault};
use serde_json::{Value, json};

use crate::{at_most, one_to};

fn texts(count: usize, text: impl Fn(usize) -> String) -> Vec<RawRule> {
    (0..count).map(|number| RawRule::Text(text(number))).collect()
}

fn faults(raw: &[RawRule]) -> Vec<RuleFault> {
    Rule::parse_list(raw, PatternMode::Whole).err().unwrap_or_default()
}

fn parse(rule: &serde_json::Value) -> Result<Rule, String> {
    let raw: RawRule = serde_json::from_value(rule.clone()).unwrap();
    Rule::parse(raw, PatternMode::Whole).map_err(|error| error.to_string())
}

#[test]
fn rules_of_a_list() {
    one_to(1_000, "rules", |count| faults(&texts(count, |_| "GET /user".to_owned())).is_empty());
    assert_eq!(faults(&texts(1_001, |_| "GET /user".to_owned())), [RuleFault::TooMany(1_001)]);
}

/// As JSON: the list's brackets, quotes and commas count.
#[test]
fn bytes_of_a_list() {
    let list = |bytes: usize| {
        // 253 rules of 255 bytes, each in quotes and with a comma or a bracket behind; the last one takes what is left.
        let (rules, each) = (253, 255);
        let last = bytes - 1 - rules * (each + 3) - 3;
        texts(rules + 1, |number| {
            format!("GET /{}", "a".repeat(if number == rules { last } else { each } - 5))
        })
    };
    assert_eq!(serde_json::to_vec(&list(65_536)).unwrap().len(), 65_536);
    at_most(65_536, "bytes of JSON", |bytes| faults(&list(bytes)).is_empty());
    assert_eq!(faults(&list(65_537)), [RuleFault::TooLarge]);
}

#[test]
fn bytes_and_depth_of_a_pattern() {
    let accepted = |pattern: String| faults(&texts(1, |_| format!("GET {pattern}"))).is_empty();
    at_most(4_096, "bytes of a pattern", |bytes| accepted(format!("/[{}]", "a".repeat(bytes - 3))));
    at_most(50, "groups in groups", |depth| {
        accepted(format!("/{}a{}", "(".repeat(depth - 1), ")".repeat(depth - 1)))
    });
}

/// Each such pattern costs more than one that is accepted: a minter gets no more of the proxy's time than four of them.
#[test]
fn too_complex_patterns_of_a_list() {
    let complex = |number: usize| format!("GET /{number}(?:a?){{600}}");
    for (count, told) in [(3, 3), (4, 4), (5, 4), (9, 4)] {
        assert_eq!(faults(&texts(count, complex)).len(), told, "{count}");
    }
}

/// One word alone may be a secret in the wrong place: no message repeats one that is longer than a method.
#[test]
fn words_and_lengths_that_a_message_repeats() {
    let told = |text: &str| faults(&texts(1, |_| text.to_owned()))[0].to_string();
    at_most(8, "letters of a word", |length| {
        told(&"g".repeat(length)).contains(&"g".repeat(length))
    });
    let rule = |length: usize| format!("GET {}", "(".repeat(length - 4));
    at_most(80, "characters of a rule", |length| told(&rule(length)).contains(&rule(length)));
    assert!(told(&rule(81)).contains(&format!("{}…", rule(80))));
}

#[test]
fn what_a_grant_holds() {
    let route = "/a/{b}";
    let rule = |grants: Vec<String>| {
        parse(&json!({ "method": "POST", "route": route, "grants": grants })).is_ok()
    };
    let one = |grant: String| rule(vec![grant]);
    one_to(8, "grants of a rule", |count| rule(vec!["GET /a/{response.id}".to_owned(); count]));
    one_to(8, "sources of a grant", |count| {
        one(format!("GET /a{}", "/{response.id}".repeat(count)))
    });
    one_to(8, "names of a place", |count| {
        one(format!("GET /a/{{response.{}}}", vec!["b"; count].join(".")))
    });
    one_to(64, "characters of a name", |length| {
        one(format!("GET /a/{{response.{}}}", "b".repeat(length)))
    });
}

#[test]
fn values_that_grants_take() {
    let rule =
        parse(&json!({ "method": "POST", "path": "/a", "grants": ["GET /a/{response.id}"] }))
            .unwrap();
    one_to(256, "characters of a value", |length| {
        let response = Document::parse(json!({ "id": "b".repeat(length) }).to_string().as_bytes());
        let facts =
            Facts { path: "/a", request: None, response: response.as_ref(), location: None };
        match rule.state().unwrap().granted(&facts) {
            Ok(granted) => granted[0].path().len() == "/a/".len() + length,
            Err(NoGrant::Unfit(_)) => false,
            Err(other) => panic!("{other}"),
        }
    });
}

/// Long enough or not, a name of other characters is none.
#[test]
fn names_of_owners() {
    let named =
        |owner: &str| parse(&json!({ "method": "GET", "path": "/a", "owner": owner })).is_ok();
    one_to(64, "characters of an owner", |length| named(&"o".repeat(length)));
    for name in ["a b", "a/b", "a\0", "a:b", "é", "*", " a", "a\n"] {
        assert!(!named(name), "{name:?}");
    }
    assert!(named("A-z_0.9"));
}

fn list_items(key: &[&str], only: &str) -> serde_json::Value {
    json!({
        "method": "PATCH", "path": "/a",
        "list_items": { "list": "list", "key": key, "creates": { "change": "REPLACE" }, "only": { only: "*" } }
    })
}

#[test]
fn members_of_list_items() {
    let names = ["k0", "k1", "k2", "k3", "k4"];
    one_to(4, "members of a key", |count| parse(&list_items(&names[..count], "k0")).is_ok());
    one_to(64, "characters of a member", |length| {
        parse(&list_items(&["name"], &"n".repeat(length))).is_ok()
    });
}

#[test]
fn list_items_of_a_request() {
    let rule = parse(&list_items(&["name"], "name")).unwrap();
    let read = |names: &[String]| {
        let list: Vec<_> =
            names.iter().map(|name| json!({ "name": name, "change": "REPLACE" })).collect();
        let read = rule
            .state()
            .unwrap()
            .list_items()
            .unwrap()
            .read(json!({ "list": list }).to_string().as_bytes());
        read.map(|list_items| assert_eq!(list_items.len(), names.len()))
    };
    let numbered = |count: usize| (0..count).map(|number| format!("n{number}")).collect::<Vec<_>>();
    one_to(100, "list_items", |count| read(&numbered(count)).is_ok());
    assert_eq!(read(&numbered(101)), Err(ListItemsDenial::Unreadable));
    one_to(255, "characters of a value", |length| read(&["v".repeat(length)]).is_ok());
    assert_eq!(read(&["v".repeat(256)]), Err(ListItemsDenial::NotAllowed));
}

/// Of whatever kind, and however they stand in each other: a tree takes many times the memory of its text.
#[test]
fn values_of_a_body() {
    let lists: [fn(usize) -> Value; 5] = [
        |count| Value::Array(vec![json!(0); count - 1]),
        |count| (1..count).map(|number| (number.to_string(), json!("x"))).collect::<Value>(),
        // Two values each, the object and its member.
        |count| {
            let pairs = vec![json!({ "a": 0 }); (count - 1) / 2];
            [pairs, vec![json!(null); (count - 1) % 2]].concat().into()
        },
        |count| {
            let pairs = vec![json!([true]); (count - 1) / 2];
            [pairs, vec![json!([]); (count - 1) % 2]].concat().into()
        },
        |count| (2..count).fold(json!([[]]), |list, _| wider(list)),
    ];
    for list in lists {
        at_most(65_536, "values of a body", |count| {
            Document::parse(list(count).to_string().as_bytes()).is_some()
        });
    }
}

/// One more value, in the innermost list.
fn wider(mut list: Value) -> Value {
    list[0].as_array_mut().unwrap().push(json!(1.5));
    list
}
