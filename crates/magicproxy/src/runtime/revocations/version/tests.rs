use std::collections::BTreeSet;

use super::{MOST_MARKS, came_by_changes, version_after};

#[test]
fn versions_follow_each_other_as_the_vectors_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/revocation.json");
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let versions = vectors["versions"].as_array().unwrap();
    assert!(versions.len() > 10);
    for version in versions {
        let text = |name: &str| version[name].as_str().unwrap().as_bytes();
        let expected = version["changes"].as_bool().unwrap();
        assert_eq!(came_by_changes(text("old"), text("new")), expected, "{version}");
    }
}

/// Two lists that had the same number of changes have two versions, and neither came of the other.
#[test]
fn no_two_changes_make_the_same_version() {
    let versions = |first: Option<Vec<u8>>| {
        let mut all = Vec::from_iter(first);
        for _ in 0..MOST_MARKS {
            let next = version_after(all.last().map(Vec::as_slice)).unwrap();
            all.push(next);
        }
        all
    };
    let (one, other) = (versions(None), versions(None));
    let all: BTreeSet<&Vec<u8>> = one.iter().chain(&other).collect();
    assert_eq!(all.len(), 2 * MOST_MARKS);
    for old in &one {
        assert!(other.iter().all(|new| !came_by_changes(old, new)));
    }
    let last = one.last().unwrap();
    for old in one.iter().take(one.len() - 1) {
        assert!(came_by_changes(old, last) && !came_by_changes(last, old));
    }
    assert!(!came_by_changes(last, last), "nothing has changed");
    // A copy that is put back, and changed as often.
    let copy = one[MOST_MARKS / 2].clone();
    let fork = versions(Some(copy.clone()));
    let (more, known) = fork.split_last().unwrap();
    for new in known.iter().skip(1) {
        assert!(!came_by_changes(last, new) && came_by_changes(&copy, new));
    }
    // Of as many changes as there are marks, or more, nobody knows.
    assert!(!came_by_changes(&copy, more));
    assert!(more.len() < 20 + MOST_MARKS * 17, "bounded");
}

/// Versions of builds before the marks are counted on.
#[test]
fn a_number_alone_is_counted_on() {
    for (old, number) in [("7", "8."), ("0", "1."), ("", "1."), ("x", "1."), ("7.", "8.")] {
        let next = String::from_utf8(version_after(Some(old.as_bytes())).unwrap()).unwrap();
        assert!(next.starts_with(number) && next.matches('.').count() == 1, "{old} {next}");
    }
    let most = u64::MAX.to_string();
    let next = version_after(Some(most.as_bytes())).unwrap();
    assert_ne!(next, version_after(Some(most.as_bytes())).unwrap());
}
