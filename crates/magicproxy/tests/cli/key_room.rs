//! No command makes a key folder that no proxy would accept.

use crate::program::Place;

/// Each kind of keys: what is said of it, the further arguments, and how its files are called.
const KINDS: [(&str, &[&str], &str); 3] = [
    ("signing keys", &[], "retired-"),
    ("sealing keys", &[], "sealing-"),
    ("keys that sign the key set", &["--key-set"], "keyset-"),
];

#[test]
fn a_rotation_without_room_is_refused_before_it_writes() {
    for (kind, more, prefix) in KINDS {
        let place = Place::with_keys();
        let rotate = [&["keys", "rotate"], more].concat();
        let mut refused = None;
        for _ in 0..20 {
            let before = place.names("keys");
            let output = place.program(&rotate).output();
            if output.code != 0 {
                refused = Some((output, before));
                break;
            }
            // The other kinds have room.
            for name in &before {
                let other = ["retired-", "sealing-", "keyset-"]
                    .into_iter()
                    .any(|other| other != prefix && name.starts_with(other));
                if other {
                    std::fs::remove_file(place.path("keys").join(name)).unwrap();
                }
            }
        }
        let (output, mut before) = refused.unwrap_or_else(|| panic!("{kind}: never refused"));
        assert!(output.stderr.contains(&format!(" {kind}, 16 are the most")), "{output:?}");
        assert!(output.stderr.contains("keys list"), "{output:?}");
        let mut after = place.names("keys");
        before.sort();
        after.sort();
        assert_eq!(before, after, "{kind}");
        assert_eq!(place.program(&["keys", "list"]).output().code, 0, "{kind}");
    }
}
