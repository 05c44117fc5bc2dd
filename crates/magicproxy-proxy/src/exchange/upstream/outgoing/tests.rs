//! What is sent, and sent once more; the rest is seen from outside.

use super::*;
use magicproxy_core::EncodedSlash;

/// What stands in the request line, the client's words being `came` and their target `target`.
#[track_caller]
fn check_sent(base: &str, came: &str, target: &str, sent: &str) {
    let root = ApiRoot::parse(&format!("https://api.example{base}")).unwrap();
    let target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap();
    for came in [Some(came.parse().unwrap()), None] {
        assert_eq!(
            sent_path(&root, target.clone(), came.clone(), None).unwrap().as_str(),
            sent,
            "{came:?}"
        );
    }
}

/// What the client wrote is sent where it is the target, and never where it is another one.
#[test]
fn the_target_is_sent_whatever_came() {
    check_sent("", "/a", "/a", "/a");
    check_sent("", "/a?b=1&c", "/a?b=1&c", "/a?b=1&c");
    check_sent("", "/%61", "/a", "/a");
    check_sent("", "/a?token=t", "/a", "/a");
    check_sent("", "/a?token=t&b", "/a?b", "/a?b");
    check_sent("", "/a?", "/a", "/a");
    check_sent("", "/a", "/a?", "/a?");
    check_sent("", "/a/b", "/a", "/a");
    check_sent("", "/mount/a", "/a", "/a");
    check_sent("/v3", "/a", "/a", "/v3/a");
    check_sent("/v3", "/v3/a", "/a", "/v3/a");
}

#[test]
fn a_spare_request_has_all_fields_in_their_order() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept", "a"),
        ("x-own", "1"),
        ("accept", "b"),
        ("x-own", "2"),
        ("authorization", "secret"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.get_mut("authorization").unwrap().set_sensitive(true);
    headers.remove("accept");
    headers.append("accept", HeaderValue::from_static("c"));
    let path = PathAndQuery::from_static("/a?b");
    let outgoing =
        SendAttempt { method: Method::DELETE, headers, path, body: RequestBody::empty() };
    let again = SendAttempt::from(outgoing.spare());
    assert_eq!((&again.method, &again.path), (&outgoing.method, &outgoing.path));
    assert!(again.headers.iter().eq(outgoing.headers.iter()), "{:?}", again.headers);
    assert!(again.headers.get("authorization").unwrap().is_sensitive());
    assert!(again.body.is_empty());
}
