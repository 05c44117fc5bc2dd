//! Certificates that a configuration names, read with it.

use magicproxy_config::config::Flags;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::Colour;

/// A folder with a certificate and its key, and the key of another one.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    for (name, text) in [
        ("c.pem", certificate.pem()),
        ("k.pem", key.serialize_pem()),
        ("o.pem", other.serialize_pem()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The layers of a file in the folder.
fn layers(folder: &tempfile::TempDir, text: &str) -> super::Layers {
    let file = folder.path().join("magicproxy.toml");
    std::fs::write(&file, text).unwrap();
    super::Layers::gather(Flags { config: Some(file), ..Flags::default() }, &Environment::default())
}

#[test]
fn faults_of_certificates() {
    let folder = certificates();
    let check = |text: &str, expected: &[&str]| {
        let rendered = super::check(layers(&folder, text)).unwrap_err().render(Colour::Off);
        expected
            .iter()
            .for_each(|part| assert!(rendered.contains(part), "expected {part:?} in:\n{rendered}"));
        assert!(!rendered.contains("PRIVATE KEY"), "{rendered}");
    };
    check(
        "tls = { certificate = 'x.pem', private_key = 'k.pem' }",
        &["x.pem`: there is no such file", "magicproxy.toml:1:23]"],
    );
    check(
        "tls = { certificate = 'k.pem', private_key = 'k.pem' }",
        &["k.pem`: expected certificates in PEM"],
    );
    check(
        "tls = { certificate = 'c.pem', private_key = 'c.pem' }",
        &["c.pem`: expected a private key in PEM"],
    );
    check(
        "tls = { certificate = 'c.pem', private_key = 'o.pem' }",
        &["does not belong to the first certificate", ":46]"],
    );
}

/// What is wrong with a certificate is told with everything else, in the order in which settings are checked.
#[test]
fn faults_of_certificates_stand_among_the_others() {
    let folder = certificates();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let layers = |certificate: &str, others: &[&str]| {
        let tls = [
            ("MAGICPROXY_TLS_CERTIFICATE", path(certificate)),
            ("MAGICPROXY_TLS_PRIVATE_KEY", path("k.pem")),
        ];
        let others = others.iter().map(|name| (*name, "?".to_owned()));
        let variables = tls.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value));
        super::Layers::gather(Flags::default(), &variables.collect())
    };
    for check in [super::check, super::check_to_serve] {
        let faults = check(layers("x.pem", &["MAGICPROXY_PUBLIC_ACCESS", "MAGICPROXY_LISTEN"]))
            .unwrap_err()
            .faults;
        let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        let [first, second, third] = &messages[..] else { panic!("{messages:?}") };
        assert!(first.starts_with("public_access `?`"), "{messages:?}");
        assert!(
            second.starts_with("tls.certificate `") && second.contains("there is no such file"),
            "{messages:?}"
        );
        assert!(third.starts_with("listen `?`"), "{messages:?}");
        assert!(check(layers("c.pem", &[])).is_ok());
    }
}
