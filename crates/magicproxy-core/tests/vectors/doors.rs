//! `testdata/vectors/doors.json`: the kits can be written, and each is tried with what it allows and
//! with more that it refuses. The command line's tests send the requests to the program.

use std::collections::BTreeSet;

use magicproxy_core::{PatternMode, RawRule, Rule};
use serde::Deserialize;

use crate::files;

#[derive(Deserialize)]
struct Doors {
    kits: Vec<Kit>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Kit {
    upstream: String,
    kit: String,
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
struct Request {
    upstream: String,
    target: String,
    allowed_by: Vec<String>,
}

fn doors() -> Doors {
    files::read("vectors/doors.json")
}

#[test]
fn kits_can_be_written() {
    for kit in doors().kits {
        let faults = Rule::parse_new_list(&kit.rules, PatternMode::Whole).err();
        assert!(faults.is_none(), "{} {}: {faults:?}", kit.upstream, kit.kit);
    }
}

#[test]
fn each_kit_is_tried_with_more_than_it_allows() {
    let Doors { kits, requests } = doors();
    let mut known = BTreeSet::new();
    for Kit { upstream, kit, .. } in &kits {
        let tried = || requests.iter().filter(|request| request.upstream == *upstream);
        let allowed = tried().filter(|request| request.allowed_by.contains(kit)).count();
        assert!(allowed > 1, "{upstream} {kit} is tried with {allowed} requests that it allows");
        assert!(tried().count() > 5 * allowed, "{upstream} {kit} is tried with little it refuses");
        known.insert((upstream, kit));
    }
    for request in &requests {
        for kit in &request.allowed_by {
            assert!(known.contains(&(&request.upstream, kit)), "{}: {kit}", request.target);
        }
    }
}
