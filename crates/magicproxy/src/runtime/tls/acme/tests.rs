use std::path::PathBuf;

use ::http::Uri;

use super::*;

fn settings(cache: PathBuf) -> AcmeSettings {
    AcmeSettings {
        domains: vec!["a.example".to_owned()],
        contact: None,
        directory: Uri::from_static("https://acme.example/directory"),
        cache,
        extra_roots: Vec::new(),
    }
}

/// A chain in PEM that is valid for so many seconds from now on.
fn certificate(key: &KeyPair, seconds: u64) -> String {
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::now().0);
    params.not_after = params.not_before + Duration::from_secs(seconds);
    params.self_signed(key).unwrap().pem()
}

#[test]
fn a_certificate_is_found_again_and_renewed_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&settings(folder.path().to_owned())).unwrap();
    assert!(cache.certificate().is_none() && cache.account().unwrap().is_none());
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let now = clock::now().0;
    let kept = cache.keep(&certificate(&key, 9_000), &key).unwrap();
    assert!((now + 6_000..now + 6_010).contains(&kept.renew_at()), "{kept:?}");
    let found = Cache::open(&settings(folder.path().to_owned())).unwrap().certificate().unwrap();
    assert_eq!((found.expires_at, found.renew_at()), (kept.expires_at, kept.renew_at()));
    assert!(cache.keep(&certificate(&key, 9_000), &other).is_err());
    assert!(cache.certificate().is_none(), "a pair that is none is as good as nothing");
    // Other names, or another server, have nothing to do with it.
    let mut elsewhere = settings(folder.path().to_owned());
    elsewhere.domains.push("b.example".to_owned());
    assert!(Cache::open(&elsewhere).unwrap().certificate().is_none());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = folder.path().join("acme.example_directory/a.example/key.pem");
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_account_that_cannot_be_read_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&settings(folder.path().to_owned())).unwrap();
    std::fs::write(folder.path().join("acme.example_directory/account.json"), "{}").unwrap();
    assert!(cache.account().err().unwrap().to_string().contains("this is no account"));
}
