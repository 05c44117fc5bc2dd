//! Whose word is taken, and for what.

use http::HeaderValue;

use super::*;
use crate::peer::Scheme;

#[track_caller]
fn check(peer: &str, lines: &[(&'static str, &'static str)], expected: Option<&str>) {
    let trusted = TrustedProxies {
        networks: ["10.0.0.0/8", "fd00::/8"].map(|text| Network::parse(text).unwrap()).into(),
        unix: peer == "trusted",
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let peer = Peer { address: peer.parse().ok(), scheme: Scheme::Http };
    assert_eq!(
        trusted.sender(&peer, &headers),
        expected.map(|text| text.parse().unwrap()),
        "{peer:?} {lines:?}"
    );
}

const XFF: &str = "x-forwarded-for";
const FWD: &str = "forwarded";

#[test]
fn strangers_are_themselves_whatever_they_say() {
    check("192.0.2.1", &[], Some("192.0.2.1"));
    check("192.0.2.1", &[(XFF, "198.51.100.1"), (FWD, "for=198.51.100.2")], Some("192.0.2.1"));
    check("::ffff:192.0.2.1", &[(XFF, "198.51.100.1")], Some("192.0.2.1"));
    check("unix", &[(XFF, "198.51.100.1")], None);
}

#[test]
fn of_what_trusted_proxies_say_the_last_stranger_counts() {
    for peer in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "trusted"] {
        check(peer, &[(XFF, "198.51.100.1")], Some("198.51.100.1"));
        check(peer, &[(XFF, "203.0.113.9, 198.51.100.1 ,10.0.0.7")], Some("198.51.100.1"));
        check(peer, &[(XFF, "203.0.113.9"), (XFF, "198.51.100.1")], Some("198.51.100.1"));
        check(peer, &[(XFF, "rubbish, 198.51.100.1")], Some("198.51.100.1"));
        check(peer, &[(XFF, "198.51.100.1:4711")], Some("198.51.100.1"));
        check(peer, &[(XFF, "[2001:db8::1]:4711")], Some("2001:db8::1"));
        check(
            peer,
            &[(FWD, "for=203.0.113.9, for=198.51.100.1;proto=https;by=10.0.0.1")],
            Some("198.51.100.1"),
        );
        check(peer, &[(FWD, "For=\"[2001:db8::1]:4711\"")], Some("2001:db8::1"));
        check(
            peer,
            &[(FWD, "for=203.0.113.9;host=\"a,b\", for=\"198.51.100.1\", for=10.0.0.1")],
            Some("198.51.100.1"),
        );
    }
}

#[test]
fn doubt_is_nobody() {
    for lines in [
        &[][..],
        &[(XFF, "")],
        &[(XFF, "10.0.0.1")],
        &[(XFF, "198.51.100.1, unknown")],
        &[(XFF, "198.51.100.1,")],
        &[(XFF, "198.51.100.1"), (XFF, "")],
        &[(XFF, "198.51.100.01")],
        &[(XFF, "\u{e9}")],
        &[(FWD, "proto=https")],
        &[(FWD, "for=unknown")],
        &[(FWD, "for=_hidden")],
        &[(FWD, "for=198.51.100.1;for=203.0.113.9")],
        &[(FWD, "for=\"198.51.100.1")],
        &[(FWD, "for=\"198.51.100.\\1\"")],
        &[(FWD, "for=198.51.100.1, by=10.0.0.1")],
        &[(XFF, "198.51.100.1"), (FWD, "for=198.51.100.1")],
    ] {
        check("10.1.2.3", lines, None);
    }
}
