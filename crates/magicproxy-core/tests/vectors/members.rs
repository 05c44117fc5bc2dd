//! `json-members.json`.

use std::sync::Arc;

use magicproxy_core::rule::{Document, Facts, ItemAction, ListItemsDenial, RuleEffects};
use magicproxy_core::{PatternMode, RawRule, Rule};
use serde::Deserialize;
use serde_json::json;

use crate::files;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "specification")]
    _specification: String,
    #[serde(rename = "note")]
    _note: String,
    same: Vec<Vec<String>>,
    different: Vec<Vec<String>>,
    rule: String,
    refused_rules: Vec<String>,
    bodies: Vec<Body>,
    listings: Vec<Listing>,
    granting: String,
    grants: Vec<Granting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    body: String,
    list_items: Option<Vec<String>>,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    response: String,
    has: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Granting {
    request: String,
    path: Option<String>,
    refused: Option<String>,
}

fn file() -> File {
    files::read("vectors/json-members.json")
}

fn parse(text: &str) -> Result<Rule, String> {
    let raw: RawRule = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Rule::parse(raw, PatternMode::Whole).map_err(|error| error.to_string())
}

fn stateful(text: &str) -> Arc<RuleEffects> {
    Arc::clone(parse(text).unwrap().state().unwrap())
}

/// The list items of a body, or the code of its refusal.
fn read(rule: &RuleEffects, body: &str) -> Result<Vec<String>, String> {
    let list_items =
        rule.list_items().unwrap().read(body.as_bytes()).map_err(|denial| match denial {
            ListItemsDenial::Unreadable => "body_unreadable".to_owned(),
            ListItemsDenial::NotAllowed => "not_allowed".to_owned(),
        })?;
    let shown = list_items.iter().map(|item| {
        let action = if item.action == ItemAction::Create { "create" } else { "delete" };
        format!("{action} {}", String::from_utf8(item.name()).unwrap().replace('\0', " "))
    });
    Ok(shown.collect())
}

#[test]
fn names() {
    let (file, name) = (file(), "_acme-challenge.example.com.");
    let rule = stateful(&file.rule);
    let both = |one: &str, other: &str| {
        let mut item = json!({ "name": name, "type": "TXT", "changetype": "REPLACE" });
        item[one] = 1.into();
        item[other] = 2.into();
        read(&rule, &json!({ "rrsets": [item] }).to_string())
    };
    for names in &file.same {
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other)))
        {
            let expected = if one == other { Ok(()) } else { Err(()) };
            assert_eq!(both(one, other).map(drop).map_err(drop), expected, "{one:?} {other:?}");
        }
    }
    for names in &file.different {
        assert!(both(&names[0], &names[1]).is_ok(), "{names:?}");
    }
}

#[test]
fn rules() {
    let file = file();
    assert!(parse(&file.rule).is_ok() && parse(&file.granting).is_ok());
    for text in &file.refused_rules {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn bodies() {
    let file = file();
    let rule = stateful(&file.rule);
    for Body { body, list_items, refused } in file.bodies {
        let expected = refused.map_or_else(|| Ok(list_items.unwrap()), Err);
        assert_eq!(read(&rule, &body), expected, "{body}");
    }
}

#[test]
fn listings() {
    let file = file();
    let rule = stateful(&file.rule);
    let list_items = rule.list_items().unwrap();
    let wanted = list_items.read(file.bodies[0].body.as_bytes()).unwrap();
    for Listing { response, has } in file.listings {
        let found = list_items.hold_any(response.as_bytes(), &wanted);
        let found = found.map_or("existence_unknown", |found| if found { "some" } else { "none" });
        assert_eq!(found, has, "{response}");
    }
}

#[test]
fn grants() {
    let file = file();
    let rule = stateful(&file.granting);
    for Granting { request, path, refused } in file.grants {
        let document =
            Document::parse(request.as_bytes()).filter(|document| rule.understands(document));
        assert_eq!(
            document.is_none().then_some("body_unreadable"),
            refused.as_deref(),
            "{request}"
        );
        let facts =
            Facts { path: "/things", request: document.as_ref(), response: None, location: None };
        let granted = rule.granted(&facts).ok().map(|grants| grants[0].path().to_owned());
        assert_eq!(granted, path, "{request}");
    }
}
