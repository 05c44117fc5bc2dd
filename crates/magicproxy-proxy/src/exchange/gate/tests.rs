//! What the gate takes for a host.

use http::uri::Authority;

use super::{authority, is_plain_host};

#[test]
fn plain_hosts_are_what_the_parser_takes() {
    for host in [
        "a",
        "localhost:8080",
        "127.0.0.1",
        "api.example.com:443",
        "a-b.",
        "-",
        "..",
        "0:0",
        "a:99999999",
    ] {
        assert!(is_plain_host(host.as_bytes()), "{host}");
        assert_eq!(
            host.parse::<Authority>().map(|parsed| parsed.to_string()).as_deref().ok(),
            Some(host)
        );
    }
    for host in [
        "", ":", ":80", "a:", "a:b", "a:1:2", "[::1]", "a@b", "a%20", "a_b", "a b", "ä", "a/",
        "a?", "a,b",
    ] {
        assert!(!is_plain_host(host.as_bytes()), "{host}");
    }
}

#[test]
fn other_hosts_are_parsed() {
    for (host, valid) in [
        ("[::1]:80", true),
        ("a_b", true),
        ("a@b", false),
        ("a b", false),
        ("", false),
        ("[::1", false),
    ] {
        assert_eq!(authority(host.as_bytes()), valid.then_some(host), "{host}");
    }
}
