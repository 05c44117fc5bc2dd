//! A file that changes is loaded beside the running plugin; a bad one changes nothing.

use magicproxy_core::plugin::{PluginHost, Verdict};

use crate::guests::{ALLOW, Fixture, Parts, component, request, run, scope};

fn asked(fixture: &Fixture) -> Verdict {
    run(fixture.host.decide(&fixture.name, &request("GET", "/"), scope("one")))
}

/// As a careful operator does it.
fn replace(fixture: &Fixture, bytes: &[u8]) {
    let new = fixture.folder.path().join("new");
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(new, fixture.folder.path().join("guest.wasm")).unwrap();
}

#[test]
fn changed_files() {
    let fixture = Fixture::of(&Parts::default());
    assert_eq!(asked(&fixture), Verdict::Abstain);
    assert!(fixture.host.reload_changed().is_empty());

    replace(&fixture, &component(&Parts { decide: ALLOW, ..Parts::default() }));
    assert!(fixture.host.reload_changed()[0].outcome.is_ok());
    assert_eq!(asked(&fixture), Verdict::Allow);
    assert!(fixture.host.reload_changed().is_empty());

    replace(&fixture, b"half a comp");
    assert!(fixture.host.reload_changed()[0].outcome.is_err());
    assert_eq!(asked(&fixture), Verdict::Allow);
    // It is complained of once.
    assert!(fixture.host.reload_changed().is_empty());

    std::fs::remove_file(fixture.folder.path().join("guest.wasm")).unwrap();
    assert!(fixture.host.reload_changed()[0].outcome.is_err());
    assert_eq!(asked(&fixture), Verdict::Allow);

    replace(&fixture, &component(&Parts::default()));
    assert!(fixture.host.reload_changed()[0].outcome.is_ok());
    assert_eq!(asked(&fixture), Verdict::Abstain);
}

#[test]
fn under_load() {
    let fixture = Fixture::of(&Parts::default());
    let (one, other) =
        (component(&Parts { decide: ALLOW, ..Parts::default() }), component(&Parts::default()));
    let host = fixture.host.clone();
    let name = fixture.name.clone();
    let asking = std::thread::spawn(move || {
        run(async {
            for _ in 0..2000 {
                let verdict = host.decide(&name, &request("GET", "/"), scope("one")).await;
                assert!(matches!(verdict, Verdict::Allow | Verdict::Abstain), "{verdict:?}");
            }
        });
    });
    for turn in 0..10 {
        replace(&fixture, if turn % 2 == 0 { &one } else { &other });
        assert!(fixture.host.reload_changed().iter().all(|reloaded| reloaded.outcome.is_ok()));
    }
    asking.join().unwrap();
}
