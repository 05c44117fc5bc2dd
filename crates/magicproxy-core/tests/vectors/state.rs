//! `state.json`: owners, grants, list items and limits.

use magicproxy_core::limit::Limit;
use magicproxy_core::rule::{Document, Facts, ItemAction, ListItems, ListItemsDenial};
use magicproxy_core::state::Partition;
use magicproxy_core::{
    Caveat, OwnerSecret, PatternMode, RawRule, Rule, TypedCredential, UnverifiedToken, UpstreamName,
};
use serde::Deserialize;
use serde_json::Value;

use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    digests: Vec<Digest>,
    owner_secret: Value,
    owners: Vec<Owner>,
    grants: Vec<Grants>,
    list_items: ListItemCases,
    written: Vec<Written>,
    narrowed: Vec<Narrowed>,
    limits: Vec<LimitCase>,
    refused: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    parts: Vec<String>,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    token: Option<String>,
    rule: Option<Value>,
    upstream: Option<String>,
    /// JSON as section 3 of `token-v2.md` has it; a version 1 token's credential is `{"secret": …}`.
    credential: Option<String>,
    owner: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grants {
    rule: Value,
    path: String,
    request: Option<String>,
    response: Option<String>,
    location: Option<String>,
    gives: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListItemCases {
    rule: Value,
    bodies: Vec<Body>,
    places: Vec<Place>,
    listings: Vec<Listing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    body: String,
    does: Option<Vec<String>>,
    denied: Option<String>,
    lookup: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    upstream: String,
    path: String,
    place: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    response: String,
    has: Option<bool>,
}

/// A rule that a token may hold and nobody writes, and the `json` that says what its `only` says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rule: Value,
    json: Value,
}

/// A rule that a token holds, a rule of a caveat, and whether some request is allowed by both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Narrowed {
    rule: Value,
    caveat: Value,
    shares: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitCase {
    limit: Value,
    text: Option<String>,
}

fn file() -> File {
    files::read("vectors/state.json")
}

fn rule(value: &Value) -> Rule {
    let raw: RawRule = serde_json::from_value(value.clone()).unwrap();
    Rule::parse(raw, PatternMode::Whole).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn hex(partition: Partition) -> String {
    partition.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn digests_and_owners() {
    let file = file();
    for case in &file.digests {
        let parts: Vec<&[u8]> = case.parts.iter().map(String::as_bytes).collect();
        assert_eq!(hex(Partition::of(&parts)), case.digest, "{:?}", case.parts);
    }
    let secret = OwnerSecret::from_json(&file.owner_secret.to_string()).unwrap();
    for case in &file.owners {
        let owner = match (&case.token, &case.rule, &case.upstream, &case.credential) {
            (Some(token), None, None, None) => {
                UnverifiedToken::parse(token).unwrap().owner().unwrap()
            }
            (None, Some(value), Some(upstream), Some(credential)) => {
                let name = rule(value).state().and_then(|state| state.owner().cloned()).unwrap();
                let binding =
                    secret.bind(&TypedCredential::from_json(credential.as_bytes()).unwrap());
                name.owner(&UpstreamName::parse(upstream).unwrap(), &binding)
            }
            _ => panic!("a token, or a rule, an upstream and a credential"),
        };
        assert_eq!(hex(owner), case.owner);
    }
}

/// The owners of sealed tokens, whose seals are random: of one token of `token-v2.json`, and of the same one narrowed.
#[test]
#[ignore = "writes testdata/vectors/state.json; run it behind `write_sealed_vectors`"]
fn write_owners_of_sealed_tokens() {
    let sealed: Value = files::read("vectors/token-v2.json");
    let cases = sealed["cases"].as_array().unwrap();
    let plain =
        cases.iter().find(|case| case["name"] == "plain").unwrap()["token"].as_str().unwrap();
    let narrowed = Caveat::from_json(br#"{"sub":"agent"}"#).unwrap().append_to(plain).unwrap();
    let minted = plain.rsplit_once('.').unwrap().0;
    let digest = hex(Partition::of(&[b"token", b"v2", minted.as_bytes()]));
    let mut tokens = [plain, narrowed.as_str()].into_iter();
    let text = std::fs::read_to_string(files::path("vectors/state.json")).unwrap();
    let lines = text.lines().map(|line| match line.starts_with(r#"    {"token": "mt2"#) {
        true => format!(r#"    {{"token": "{}", "owner": "{digest}"}},"#, tokens.next().unwrap()),
        false => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert!(tokens.next().is_none());
    std::fs::write(files::path("vectors/state.json"), text).unwrap();
}

#[test]
fn grants() {
    for case in file().grants {
        let document =
            |text: &Option<String>| text.as_ref().and_then(|text| Document::parse(text.as_bytes()));
        let (request, response) = (document(&case.request), document(&case.response));
        let facts = Facts {
            path: &case.path,
            request: request.as_ref(),
            response: response.as_ref(),
            location: case.location.as_deref(),
        };
        let rule = rule(&case.rule);
        let granted = rule.state().unwrap().granted(&facts);
        let shown = granted.map(|grants| {
            grants.iter().map(|new| format!("{} {}", new.methods(), new.path())).collect()
        });
        assert_eq!(shown.ok(), case.gives, "{} {:?} {:?}", case.path, case.response, case.location);
    }
}

#[test]
fn list_items() {
    let cases = file().list_items;
    let rule = rule(&cases.rule);
    let list_items = rule.state().and_then(|state| state.list_items()).unwrap();
    cases.bodies.iter().for_each(|case| body(list_items, case));
    for case in &cases.places {
        let place = list_items.partition(&UpstreamName::parse(&case.upstream).unwrap(), &case.path);
        assert_eq!(place.map(hex), case.place, "{}", case.path);
    }
    let asked = list_items.read(cases.bodies[0].body.as_bytes()).unwrap();
    for case in &cases.listings {
        assert_eq!(
            list_items.hold_any(case.response.as_bytes(), &asked),
            case.has,
            "{}",
            case.response
        );
    }
}

fn body(list_items: &ListItems, case: &Body) {
    let read = list_items.read(case.body.as_bytes());
    let denied = read.as_ref().err().map(|denial| match denial {
        ListItemsDenial::Unreadable => "body_unreadable".to_owned(),
        ListItemsDenial::NotAllowed => "not_allowed".to_owned(),
    });
    assert_eq!(denied, case.denied, "{}", case.body);
    let does = read.as_ref().ok().map(|read| {
        let word = |action| if action == ItemAction::Create { "create" } else { "delete" };
        let name = |name: Vec<u8>| String::from_utf8(name).unwrap().replace('\0', " ");
        read.iter()
            .map(|item| format!("{} {}", word(item.action), name(item.name())))
            .collect::<Vec<_>>()
    });
    assert_eq!(does, case.does, "{}", case.body);
    if let Some(lookup) = &case.lookup {
        assert_eq!(list_items.lookup(&read.unwrap()[0]).as_ref(), Some(lookup), "{}", case.body);
    }
}

#[test]
fn only_is_read_and_no_longer_written() {
    let new = |value: &Value| {
        let raw: RawRule = serde_json::from_value(value.clone()).unwrap();
        Rule::parse_new_list(&[raw], PatternMode::Whole)
    };
    for case in file().written {
        rule(&case.rule);
        let faults = new(&case.rule).unwrap_err();
        let [fault] = faults.as_slice() else { panic!("{}: {faults:?}", case.rule) };
        let wanted = format!(r#"put `"json": {}`"#, case.json);
        assert!(fault.to_string().contains(&wanted), "{fault}, expected {wanted}");
        let mut replaced = case.rule.clone();
        replaced["list_items"].as_object_mut().unwrap().remove("only").unwrap();
        replaced["json"] = case.json.clone();
        assert!(new(&replaced).is_ok(), "{replaced}");
    }
}

#[test]
fn a_caveat_that_leaves_nothing_of_only_is_found() {
    for case in file().narrowed {
        let (held, caveat) = (rule(&case.rule), rule(&case.caveat));
        assert_eq!(caveat.overlaps_any(&[held]), case.shares, "{} {}", case.rule, case.caveat);
    }
}

#[test]
fn limits() {
    for case in file().limits {
        let read: Option<Limit> = serde_json::from_value(case.limit.clone()).ok();
        assert_eq!(read.map(|limit| limit.to_string()), case.text, "{}", case.limit);
    }
}

#[test]
fn rules_that_are_none_are_refused() {
    for value in file().refused {
        let parsed = serde_json::from_value::<RawRule>(value.clone())
            .ok()
            .map(|raw| Rule::parse(raw, PatternMode::Whole));
        assert!(!matches!(parsed, Some(Ok(_))), "{value}");
    }
}
