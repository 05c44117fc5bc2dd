//! Listeners and certificates.

use super::*;

/// A folder with a certificate and its key, and the key of another one.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) =
            (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        for (name, text) in [
            ("c.pem", certificate.pem()),
            ("k.pem", key.serialize_pem()),
            ("o.pem", other.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self { folder }
    }

    /// Layers of a file in the folder.
    fn native(&self, text: &str) -> Layers {
        let file = native::parse(&self.folder.path().join("magicproxy.toml"), text.to_owned());
        Layers {
            sources: Sources { native: Some(file.source), python: None },
            faults: file.faults,
            ..Layers::only(file.raw)
        }
    }
}

/// Address, scheme, upstream and mode of each listener.
fn listeners(layers: Layers) -> Vec<String> {
    let of = |listener: &ListenerSettings| {
        let ListenerSettings { listen, scheme, upstream, mode, .. } = listener;
        format!(
            "{listen} {scheme:?} {} {mode:o}",
            upstream.as_ref().map_or("-", UpstreamName::as_str)
        )
    };
    layers.check().unwrap().listeners.iter().map(of).collect()
}

#[test]
fn listeners_are_the_one_and_the_list() {
    assert_eq!(listeners(native("")), ["127.0.0.1:5000 Http - 660"]);
    assert_eq!(listeners(native("[[listeners]]\nlisten = ':1'")), [":1 Http - 660"]);
    let text = "listen = ':1'\n[upstreams.github]\n[[listeners]]\nlisten = 'unix:/run/s'\nupstream = 'github'\nmode = '0600'";
    assert_eq!(listeners(native(text)), [":1 Http - 660", "unix:/run/s Http github 600"]);
}

/// What `serve` and `config check` say of a configuration: a fault for each listener that is not served.
fn exposed(layers: Layers) -> usize {
    match layers.check_to_serve() {
        Ok(_) => 0,
        Err(faults) => {
            let text = faults.render(Colour::Off);
            assert!(
                text.contains("danger_plain_http = true")
                    && text.contains("without TLS others than this machine"),
                "{text}"
            );
            faults.faults.len()
        }
    }
}

#[test]
fn without_tls_others_than_this_machine_may_not_mint() {
    let certificates = Certificates::new();
    let tls = "tls = { certificate = 'c.pem', private_key = 'k.pem' }";
    let cases: [(&str, usize); 24] = [
        ("", 0),
        ("listen = '127.0.0.1:1'", 0),
        ("listen = '127.9.9.9:1'", 0),
        ("listen = '[::1]:1'", 0),
        ("listen = '[::ffff:127.0.0.1]:1'", 0),
        ("listen = 'localhost:1'", 0),
        // Where a name leads is known when it is bound.
        ("listen = 'proxy.example:1'", 0),
        ("listen = 'unix:/run/s'", 0),
        ("listen = '0.0.0.0:5050'", 1),
        ("listen = ':5050'", 1),
        ("listen = '[::]:5050'", 1),
        ("listen = '192.0.2.7:1'", 1),
        ("listen = '10.0.0.1:1'", 1),
        ("listen = '[fe80::1]:1'", 1),
        ("listen = '[::ffff:10.0.0.1]:1'", 1),
        ("listen = '0.0.0.0:1'\ndanger_plain_http = true", 0),
        ("listen = '0.0.0.0:1'\ndanger_plain_http = false", 1),
        ("listen = '0.0.0.0:1'\nmint.policy = 'closed'", 0),
        ("listen = '0.0.0.0:1'\nmint.policy = 'open'", 1),
        (
            "[[listeners]]\nlisten = '127.0.0.1:1'\n[[listeners]]\nlisten = ':2'\n[[listeners]]\nlisten = '0.0.0.0:3'",
            2,
        ),
        (
            "danger_plain_http = true\n[[listeners]]\nlisten = ':2'\n[[listeners]]\nlisten = '0.0.0.0:3'",
            0,
        ),
        ("listen = ':1'\nTLS", 0),
        ("listen = ':1'\nTLS\n[[listeners]]\nlisten = ':2'\ntls = false", 1),
        ("listen = ':1'\nTLS\n[[listeners]]\nlisten = '127.0.0.1:2'\ntls = false", 0),
    ];
    for (text, expected) in cases {
        assert_eq!(exposed(certificates.native(&text.replace("TLS", tls))), expected, "{text}");
    }
    // Other commands go by such a configuration all the same.
    assert!(native("listen = '0.0.0.0:1'").check().is_ok());
}

#[test]
fn an_address_that_is_not_served_is_pointed_at() {
    let text = "listen = '127.0.0.1:1'\n[[listeners]]\nlisten = '0.0.0.0:2'";
    let faults = native(text).check_to_serve().unwrap_err().render(Colour::Off);
    assert!(
        faults.contains("listen `0.0.0.0:2`") && faults.contains("[magicproxy.toml:3:"),
        "{faults}"
    );
}

#[test]
fn names_of_the_proxy_are_hosts() {
    let config = native(
        "allowed_hosts = ['Proxy.Example', 'a.example:1', '[::1]']\ncheck_host = 'everywhere'",
    )
    .check()
    .unwrap();
    let allowed: Vec<_> = config.hosts.allowed.iter().map(HostName::as_str).collect();
    assert_eq!(allowed, ["proxy.example", "a.example:1", "[::1]"]);
    assert_eq!(config.hosts.checked, HostCheckChoice::Everywhere);
    assert_eq!(native("").check().unwrap().hosts.checked, HostCheckChoice::Loopback);
    check(
        "allowed_hosts = ['a b', 'x@y', '']",
        &["allowed_hosts `a b`: expected a host", "allowed_hosts `x@y`", "3 faults"],
    );
    check("check_host = 'never'", &["check_host: `never` is not known here", "`loopback`"]);
}

#[test]
fn a_certificate_is_for_tcp_unless_somebody_says_otherwise() {
    let certificates = Certificates::new();
    let text = "listen = ':1'\ntls = { certificate = 'c.pem', private_key = 'k.pem' }\n\
        [[listeners]]\nlisten = ':2'\ntls = false\n[[listeners]]\nlisten = 'unix:s'\n\
        [[listeners]]\nlisten = 'unix:/t'\ntls = true";
    let unix = certificates.folder.path().join("s");
    let expected = [
        ":1 Https - 660".to_owned(),
        ":2 Http - 660".to_owned(),
        format!("unix:{} Http - 660", unix.display()),
        "unix:/t Https - 660".to_owned(),
    ];
    assert_eq!(listeners(certificates.native(text)), expected);
    let config = certificates.native(text).check().unwrap();
    assert_eq!(config.public_access().url, "https://127.0.0.1:1");
    assert_eq!(listeners(native("tls.dev = true")), ["127.0.0.1:5000 Https - 660"]);
    assert_eq!(listeners(native("tls.dev = false")), ["127.0.0.1:5000 Http - 660"]);
}

#[test]
fn faults_of_listeners() {
    check("[[listeners]]\ntls = false", &["listeners.listen is needed", "[magicproxy.toml:2:7]"]);
    check("[[listeners]]\nlisten = 'x'", &["listeners.listen `x`: expected `HOST:PORT`"]);
    check("[[listeners]]\nlisten = 'unix:'", &["listeners.listen `unix:`: expected a path"]);
    check(
        "[[listeners]]\nlistn = ':1'",
        &["unknown key `listn` in `listeners`", "did you mean `listen`?"],
    );
    check(
        "[[listeners]]\nlisten = ':1'\ntls = true",
        &["there is no certificate", "[magicproxy.toml:3:7]", "[tls] certificate"],
    );
    check(
        "[[listeners]]\nlisten = ':1'\nmode = '0600'",
        &["listeners.mode: only a Unix socket has one"],
    );
    check(
        "[[listeners]]\nlisten = 'unix:/s'\nmode = '0999'",
        &["listeners.mode `0999`: expected octal digits"],
    );
    check(
        "[[listeners]]\nlisten = 'unix:/s'\nmode = '4755'",
        &["listeners.mode `4755`: expected octal digits"],
    );
    check(
        "listen = ':1'\n[[listeners]]\nlisten = ':1'",
        &["listeners.listen `:1`: another listener is there", "toml:3:10]"],
    );
    check(
        "listen = ':1'\n[[listeners]]\nlisten = '[::]:1'",
        &["listeners.listen `[::]:1`: another listener is there"],
    );
    let named = "[upstreams.github]\n[[listeners]]\nlisten = ':1'\nupstream = 'githob'";
    check(
        named,
        &["there is no such upstream", "did you mean `github`?", "[magicproxy.toml:4:12]"],
    );
}

#[test]
fn certificates_are_named_whole_and_once() {
    let certificates = Certificates::new();
    let check = |text: &str, expected: &[&str]| {
        let rendered = faults(certificates.native(text));
        expected
            .iter()
            .for_each(|part| assert!(rendered.contains(part), "expected {part:?} in:\n{rendered}"));
        assert!(!rendered.contains("PRIVATE KEY"), "{rendered}");
    };
    check("tls.certificate = 'c.pem'", &["tls.private_key is needed", "magicproxy.toml:1:19]"]);
    check("tls.private_key = 'k.pem'", &["tls.certificate is needed"]);
    check(
        "tls = { certificate = 'c.pem', private_key = 'k.pem', dev = true }",
        &["tls.dev: the certificate comes from `tls.certificate` already"],
    );
}

#[test]
fn a_certificate_may_come_from_a_server() {
    let text = "listen = ':443'\nkeys.folder = '/k'\n[acme]\ndomains = ['Proxy.example.com']\ncontact = 'mailto:a@example.com'";
    let config = native(text).check().unwrap();
    let Some(TlsSource::Acme(acme)) = &config.tls else { panic!("{:?}", config.tls) };
    assert_eq!(
        (acme.domains.as_slice(), acme.cache.as_path()),
        (&["proxy.example.com".to_owned()][..], Path::new("/k/acme"))
    );
    assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(listeners(native(text)), [":443 Https - 660"]);
    for bad in [
        "*.example.com",
        "localhost",
        "192.0.2.1",
        "a..example.com",
        "-a.example.com",
        "a_b.example.com",
        "",
    ] {
        check(
            &format!("acme.domains = ['{bad}']"),
            &[&format!("acme.domains `{bad}`: expected a name")],
        );
    }
    check("acme.domains = []", &["acme.domains: the list is empty"]);
    check(
        "acme.contact = 'mailto:a@b.example'",
        &["acme.contact: which names are to be in the certificate?"],
    );
    check(
        "acme = { domains = ['a.example'], contact = 'a@b.example' }",
        &["acme.contact `a@b.example`: expected `mailto:`"],
    );
    check(
        "acme = { domains = ['a.example'], directory = 'http://a.example' }",
        &["acme.directory `http://a.example`: expected a URL"],
    );
    check(
        "acme = { domains = ['a.example'], extra_ca_file = 'x.pem' }",
        &["acme.extra_ca_file `x.pem`: there is no such file"],
    );
    check(
        "tls.dev = true\nacme.domains = ['a.example']",
        &["acme.domains: the certificate comes from `tls.dev` already"],
    );
}
