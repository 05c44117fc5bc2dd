use super::*;
use crate::downstream::listener::tls::TlsIdentity;
use crate::settings::fixture::upstream;
use crate::settings::{ApiRoot, RouteSettings};

/// A check of a proxy at `https://proxy.example:8443` with an API of its own name and one host.
fn check() -> HostCheck {
    let hosts =
        vec![HostName::parse("gh.example").unwrap(), HostName::parse("gl.example:7000").unwrap()];
    let routes = RouteSettings { hosts, ..RouteSettings::default() };
    let upstreams = [
        upstream("a", "https://api.example/v3", routes),
        upstream("b", "http://b.example:81", RouteSettings::default()),
    ];
    let mut check = HostCheck::default();
    check
        .hosts
        .push(folded(ApiRoot::parse("https://proxy.example:8443").unwrap().authority().as_str()));
    for upstream in &upstreams {
        check.hosts.extend(upstream.routes.hosts.iter().map(|host| folded(host.as_str())));
        check.own.extend(upstream.origins().flat_map(ApiRoot::own_authorities));
    }
    check.with_hosts(&[HostName::parse("Docker.Internal:1").unwrap()])
}

#[test]
fn addresses_localhost_and_given_names_are_good_with_any_port() {
    let check = check();
    let hosts = [
        "127.0.0.1",
        "127.9.9.9",
        "192.0.2.7",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[2001:db8::1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "localhost",
        "LocalHost",
        "localhost.",
        "app.localhost",
        "a.b.LOCALHOST.",
        "proxy.example",
        "Proxy.Example.",
        "gh.example",
        "gl.example",
        "docker.internal",
    ];
    for host in hosts {
        for port in ["", ":", ":80", ":5000", ":65535"] {
            let authority = format!("{host}{port}");
            assert!(check.admits(&authority), "{authority}");
        }
    }
}

#[test]
fn an_api_is_called_as_its_clients_call_it() {
    let check = check();
    for authority in ["api.example", "API.example", "api.example:443", "b.example:81"] {
        assert!(check.admits(authority), "{authority}");
    }
    // As a page of the API's own site would, were its name made to lead here.
    for authority in
        ["api.example:5000", "api.example:80", "b.example", "b.example:5000", "x.api.example"]
    {
        assert!(!check.admits(authority), "{authority}");
    }
}

#[test]
fn every_other_name_is_refused() {
    let check = check();
    let authorities = [
        "",
        ":5000",
        ".",
        "rebind.attacker.example",
        "rebind.attacker.example:5000",
        "127.0.0.1.attacker.example",
        "127.0.0.1.nip.io",
        "localhost.attacker.example",
        "notlocalhost",
        "xlocalhost:5000",
        ".localhost",
        "localhost..",
        "localhos",
        "proxy.example.attacker.example",
        "xproxy.example",
        "a.proxy.example",
        "gh.example..",
        "127.0.0.1.",
        "127.0.0",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1:x",
        "::1",
        "[::1",
        "[localhost]",
        "[127.0.0.1]",
        "[::1]x",
        "[]",
        "%6cocalhost",
        "localhost%00.attacker.example",
    ];
    for authority in authorities {
        assert!(!check.admits(authority), "{authority:?}");
    }
}

#[test]
fn names_of_the_certificate_of_the_moment_are_good() {
    let identity = |names: &[&str]| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        TlsIdentity::new(vec![certificate.der().clone()], key.into()).unwrap()
    };
    let server = TlsServer::new(None).unwrap();
    let check = HostCheck::default().with_certificate(Arc::clone(&server));
    assert!(!check.admits("one.example"), "there is no certificate yet");
    server.replace(identity(&["one.example", "*.wild.example"]));
    for (authority, admitted) in [
        ("one.example", true),
        ("ONE.example.:8443", true),
        ("a.wild.example", true),
        ("wild.example", false),
        ("a.b.wild.example", false),
        ("two.example", false),
        ("", false),
        ("*.wild.example", false),
    ] {
        assert_eq!(check.admits(authority), admitted, "{authority}");
    }
    server.replace(identity(&["two.example"]));
    assert!(check.admits("two.example") && !check.admits("one.example"));
}
