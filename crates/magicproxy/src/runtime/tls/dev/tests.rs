use super::*;

#[test]
fn the_authority_is_made_once_and_signs_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let first =
        DevAuthority::open(AuthoritySettings { folder: &keys, host: "proxy.example.com" }).unwrap();
    first.issue().unwrap();
    let key = std::fs::read_to_string(keys.join("dev-ca-key.pem")).unwrap();
    let again =
        DevAuthority::open(AuthoritySettings { folder: &keys, host: "proxy.example.com" }).unwrap();
    again.issue().unwrap();
    assert_eq!(key, std::fs::read_to_string(keys.join("dev-ca-key.pem")).unwrap());
    assert!(
        std::fs::read_to_string(keys.join("dev-ca.pem"))
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert!(!format!("{again:?}").contains("PRIVATE"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |name: &str| std::fs::metadata(keys.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("dev-ca-key.pem"), mode("dev-ca.pem")), (0o600, 0o644));
    }
}

#[test]
fn names_are_this_machine_and_the_host() {
    let here = ["localhost", "127.0.0.1", "::1"];
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "::1", "0.0.0.0", "::"] {
        assert_eq!(names(host), here, "{host}");
    }
    assert_eq!(names("proxy.example.com"), [&here[..], &["proxy.example.com"]].concat());
    assert_eq!(names("192.0.2.1"), [&here[..], &["192.0.2.1"]].concat());
}

#[test]
fn a_key_that_is_none_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dev-ca-key.pem"), "mine").unwrap();
    let error = DevAuthority::open(AuthoritySettings { folder: folder.path(), host: "localhost" })
        .unwrap_err();
    assert!(error.to_string().contains("expected a private key in PEM"), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("dev-ca-key.pem")).unwrap(), "mine");
}
