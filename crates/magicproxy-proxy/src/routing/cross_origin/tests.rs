use super::*;
use crate::settings::{PageOrigin, ParsePageOriginError};

#[track_caller]
fn check(text: &str, expected: Result<(), ParsePageOriginError>) {
    assert_eq!(
        PageOrigin::parse(text).map(|origin| assert_eq!(origin.to_string(), text)),
        expected,
        "{text}"
    );
}

#[test]
fn an_origin_is_one_that_browsers_send() {
    for text in [
        "https://app.example.com",
        "https://app.example.com:8443",
        "http://localhost:3000",
        "http://127.0.0.1:5173",
        "http://[::1]:8080",
        "https://xn--bcher-kva.example",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://0c2a3c52-7f0e-4a0e-9e2b-0123456789ab",
        "tauri://localhost",
        "https://a",
    ] {
        check(text, Ok(()));
    }
    for text in
        ["*", "https://*", "https://*.example.com", "*.example.com", "https://app.example.com:*"]
    {
        check(text, Err(ParsePageOriginError::Any));
    }
    for text in ["null", "file://", "file:///home/me/page.html"] {
        check(text, Err(ParsePageOriginError::Null));
    }
    for (text, right) in [
        ("https://app.example.com/", "https://app.example.com"),
        ("https://App.Example.com", "https://app.example.com"),
        ("HTTPS://app.example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
    ] {
        check(text, Err(ParsePageOriginError::Spelling(right.to_owned())));
    }
    for text in [
        "",
        "NULL",
        "app.example.com",
        "app.example.com:8443",
        "//app.example.com",
        "https://",
        "https:///",
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://app.example.com#x",
        "https://me@app.example.com",
        "https://app.example.com:",
        "https://app.example.com:99999",
        "https://a.example, https://b.example",
        "https://a.example https://b.example",
        " https://a.example",
        "https://a.example\n",
        "https://bücher.example",
        "://a",
        "1://a",
    ] {
        check(text, Err(ParsePageOriginError::Form));
    }
}

#[test]
fn an_upstream_has_a_bounded_number_of_origins() {
    let origins = |count: usize| {
        (0..count).map(|number| PageOrigin::parse(&format!("https://a{number}")).unwrap()).collect()
    };
    assert!(PageOrigins::of(origins(64)).is_some());
    assert!(PageOrigins::of(origins(65)).is_none());
}

#[test]
fn a_preflight_asks_for_a_bounded_list_of_names() {
    let asked = |names: &str| {
        let headers = HeaderMap::from_iter([(
            ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_str(names).unwrap(),
        )]);
        asked_names(&headers).map(|names| names.to_str().unwrap().split(", ").count())
    };
    let names =
        |count: usize| (0..count).map(|number| format!("x-{number}")).collect::<Vec<_>>().join(",");
    assert_eq!((asked(&names(64)), asked(&names(65))), (Some(64), None));
    let long =
        |bytes: usize| format!("{},{}", "a".repeat(bytes / 2), "b".repeat(bytes - bytes / 2 - 1));
    assert_eq!((asked(&long(4_096)), asked(&long(4_097))), (Some(2), None));
    assert_eq!((asked("a,,b"), asked("a b"), asked("a")), (None, None, Some(1)));
}
