//! What an operator is told before clients find out: keys without which nothing is minted or
//! opened, certificates that end, tokens that are revoked.

use serde_json::Value;

use crate::mint;
use crate::program::Place;
use crate::revoke::{ok, place};

/// Whatever revokes a token, `explain` beside the keys knows.
#[test]
fn explain_knows_what_is_revoked() {
    for entry in [
        &["revoke", "--token", "@t"][..],
        &["revoke", "--token", "@t", "--whole-family"],
        &["revoke", "--before", "now"],
        &["revoke", "--key", "KID"],
    ] {
        let place = place();
        let token = mint(&place, &["GET /user"]);
        place.write_token("t", &token);
        let kid = keys(&place, |key| key.get("bits").is_some()).remove(0);
        let asks = || place.program(&["explain", "@t", "GET", "/user"]).output();
        assert_eq!(asks().code, 0, "{:?}", asks());
        let entry: Vec<&str> =
            entry.iter().map(|word| if *word == "KID" { kid.as_str() } else { word }).collect();
        ok(&place, &entry);
        let denied = asks();
        assert_eq!(denied.code, 3, "{entry:?}: {denied:?}");
        assert!(denied.stdout.contains("revoked_token: the token has been revoked"), "{denied:?}");
        let json = place.program(&["explain", "--json", "@t", "GET", "/user"]).output();
        let json: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((&json["decision"], &json["code"]), (&"denied".into(), &"revoked_token".into()));
    }
}

/// The ids of keys of the folder.
fn keys(place: &Place, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let listed: Vec<Value> =
        serde_json::from_str(&ok(place, &["keys", "list", "--json"]).stdout).unwrap();
    listed
        .iter()
        .filter(|key| which(key))
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// A key that is revoked is none to seal to; the last of them goes with a warning.
#[test]
fn a_revoked_key_is_not_handed_out() {
    let place = place();
    let sealing = keys(&place, |key| key.get("kem").is_some());
    let [first, last] = sealing.as_slice() else { panic!("{sealing:?}") };
    let handed_out = || place.program(&["keys", "export-public", "--jwks"]).output();
    let done = ok(&place, &["revoke", "--key", first]);
    assert!(!done.stderr.contains("leaves no sealing key"), "{done:?}");
    let document = handed_out().stdout;
    assert!(document.contains(last) && !document.contains(first), "{document}");
    let done = ok(&place, &["revoke", "--key", last]);
    assert!(done.stderr.contains("leaves no sealing key"), "{done:?}");
    let refused = handed_out();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("neither denied nor revoked"), "{refused:?}");
    let signing = keys(&place, |key| key.get("bits").is_some());
    let done = ok(&place, &["revoke", "--key", &signing[0]]);
    assert!(done.stderr.contains("is the key that signs"), "{done:?}");
    // New keys are handed out again, and an older one may go without a word.
    ok(&place, &["keys", "rotate"]);
    assert_eq!(handed_out().code, 0);
    ok(&place, &["revoke", "--undo", "--key", first]);
    assert!(!ok(&place, &["revoke", "--key", first]).stderr.contains("leaves no"));
}

/// A certificate that has ended, and others: what `config check` and the start of a proxy say.
#[test]
fn the_end_of_a_certificate_is_told_before_it_is_shown() {
    let key = rcgen::KeyPair::generate().unwrap();
    let now = magicproxy_proxy::clock::now().0;
    let today = i32::try_from(now / 86_400).unwrap();
    for (days, said) in [
        (-400, Some("expired ")),
        (-1, Some("expired ")),
        (3, Some("expires in ")),
        (13, Some("expires in ")),
        (20, None),
    ] {
        let place = place();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        // Days of a month beyond its end are those of the next ones.
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs(u64::try_from(today + days).unwrap() * 86_400);
        place.write("c.pem", &params.self_signed(&key).unwrap().pem());
        place.write("k.pem", &key.serialize_pem());
        place.set_mode("k.pem", 0o600);
        let config = "upstream.api_root = 'http://127.0.0.1:1'\nlisten = '127.0.0.1:0'\ntls = { certificate = 'c.pem', private_key = 'k.pem' }\n";
        place.write("magicproxy.toml", config);
        let checked = place.program(&["config", "check"]).output();
        let mut running = place.program(&["serve"]).spawn();
        running.line(" listens on ");
        let served = running.terminate();
        for (command, output) in [("config check", &checked), ("serve", &served)] {
            assert_eq!(output.code, 0, "{command}: {output:?}");
            let warned = output.stderr.contains("tls.certificate `c.pem` ");
            assert_eq!(warned, said.is_some(), "{command} {days}: {output:?}");
            assert!(said.is_none_or(|said| output.stderr.contains(said)), "{days}: {output:?}");
        }
    }
}
