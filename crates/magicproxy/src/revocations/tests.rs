use super::file::RevocationFile;
use super::{About, Revocation, Revoked, in_force};
use magicproxy_core::UnixTime;

fn entry(revoked: Revoked, expires_at: u64) -> Revocation {
    Revocation { revoked, about: About { revoked_at: 1, expires_at, reason: Some("why".to_owned()) } }
}

#[test]
fn names_are_read_as_they_are_written() {
    let all = [Revoked::Id("a:b".to_owned()), Revoked::Owner([0xa7; 32]), Revoked::Key("k".to_owned()), Revoked::Before(17)];
    for revoked in all {
        assert_eq!(Revoked::parse(&revoked.name()), Some(revoked.clone()), "{revoked:?}");
    }
    for name in ["", "jti", "jti:", "kid:", "owner:", "owner:a7", "owner:+1", "before:", "before:x", "who:me"] {
        assert_eq!(Revoked::parse(name), None, "{name}");
    }
    assert_eq!(Revoked::parse(&format!("owner:{}", "0a".repeat(33))), None);
    assert_eq!(Revoked::parse(&format!("owner:{}0", "0a".repeat(32))), None);
}

#[test]
fn what_has_ended_is_not_in_force_and_the_latest_time_is() {
    let entries = [
        entry(Revoked::Id("old".to_owned()), 100),
        entry(Revoked::Id("new".to_owned()), 101),
        entry(Revoked::Before(7), 1_000),
        entry(Revoked::Before(9), 1_000),
        entry(Revoked::Before(8), 1_000),
    ];
    let list = in_force(&entries, UnixTime(100));
    assert!(list.ids.contains("new") && list.ids.len() == 1);
    assert_eq!(list.before, Some(UnixTime(9)));
}

#[test]
fn a_file_is_changed_by_many_at_once_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = RevocationFile(folder.path().join("revocations.json"));
    assert!(file.read().unwrap().is_empty());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for number in 0..10 {
                    let revoked = Revoked::Id(format!("{thread}-{number}"));
                    file.change(|entries| entries.push(entry(revoked, 100))).unwrap();
                }
            });
        }
    });
    assert_eq!(file.read().unwrap().len(), 80);
    file.change(Vec::clear).unwrap();
    assert!(file.read().unwrap().is_empty());
    const TWICE: &str =
        r#"{"revocations": {"jti:a": {"revoked_at": 1, "expires_at": 9}, "jti:a": {"revoked_at": 1, "expires_at": 2}}}"#;
    for text in
        ["", "{}", r#"{"revocations": {"x": {"revoked_at": 1, "expires_at": 2}}}"#, r#"{"revocations": {}, "more": 1}"#, TWICE]
    {
        std::fs::write(&file.0, text).unwrap();
        assert!(file.read().is_err(), "{text}");
    }
}
