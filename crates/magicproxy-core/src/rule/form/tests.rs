//! The form names what the types read.

use serde::de::DeserializeOwned;

use super::*;
use crate::limit::Limit;
use crate::rule::{ListItemsObject, RawRule};

/// The members that the types know: what they say that they expected, in place of one that nobody knows.
fn read_by<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_str::<T>(r#"{"nobody knows":1}"#).err().unwrap().to_string();
    let (_, known) = error.split_once("expected one of ").unwrap();
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn named_by(form: &Form) -> Vec<String> {
    match &form.kind {
        Kind::Object(members) | Kind::TextOrObject(_, members) => {
            members.iter().map(|member| member.name.to_owned()).collect()
        }
        Kind::TextOrEither(_, members, marked) => {
            let first: Vec<&str> = members.iter().map(|member| member.name).collect();
            let others = marked.iter().map(|member| member.name);
            let others = others.filter(|name| !first.contains(name));
            first.iter().copied().chain(others).map(str::to_owned).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_that_is_read_has_a_form() {
    assert_eq!(read_by::<RawRule>(), [named_by(&RULE), named_by(&PLUGIN)].concat());
    assert_eq!(read_by::<Limit>(), named_by(&limit::FORM));
    assert_eq!(read_by::<ListItemsObject>(), named_by(&LIST_ITEMS));
}

/// What only operators may write is not known to others.
#[test]
fn the_members_of_operators_are_told_to_nobody_else() {
    let faults = RawRule::from_json(r#"{"method":"GET","route":"/a","owner":"x","limit":7}"#)
        .unwrap_err()
        .to_string();
    assert!(
        faults.starts_with("a member is not known: expected `method`")
            && faults.contains("; limit: expected"),
        "{faults}"
    );
    assert!(!faults.contains("owner"), "{faults}");
}
