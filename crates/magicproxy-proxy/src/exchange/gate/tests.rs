//! What the gate takes for a host.

use http::uri::Authority;

use super::{authority, is_plain_host, read_head};
use crate::rejection::Rejection;

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

/// In `Host` and in `:authority`: a name of 253 characters fits with its port, and 261 characters
/// do not.
#[test]
fn an_authority_has_260_characters_at_most() {
    for (length, is_taken) in [(259, true), (260, true), (261, false)] {
        let text = "a".repeat(length);
        let by_host = http::Request::builder().uri("/x").header("host", &text);
        let by_authority = http::Request::builder()
            .version(http::Version::HTTP_2)
            .uri(format!("https://{text}/x"));
        for builder in [by_host, by_authority] {
            let head = builder.body(()).unwrap().into_parts().0;
            match read_head(&head) {
                Ok(read) => {
                    assert!(is_taken && read == (text.as_str(), "/x"), "{length}: {read:?}")
                }
                Err(rejection) => assert!(
                    !is_taken && matches!(rejection, Rejection::Host),
                    "{length}: {rejection:?}"
                ),
            }
        }
    }
}
