//! What is masked, and what is not.

use super::{
    in_source, json_without_userinfo, value_without_userinfo, without_userinfo, without_userinfo_of,
};

#[track_caller]
fn check(value: &str, expected: &str) {
    assert_eq!(value_without_userinfo(value), expected, "{value}");
    let message = format!("key `{value}`: expected `https://USER:PASSWORD@HOST` or `x`");
    assert_eq!(without_userinfo(&message), message.replace(value, expected), "{message}");
}

#[test]
fn a_value_is_shown_without_user_and_password() {
    check("https://me:secret@host/path", "https://***@host/path");
    check("https://secret@host", "https://***@host");
    check("redis+sentinel://:secret@a,b/m", "redis+sentinel://***@a,b/m");
    check("//me:secret@host", "//***@host");
    check("me:secret@host:1", "***@host:1");
    check("secret_of_a_service@host", "***@host");
    check("me:s//x@host", "***@host");
    check("GET me:secret@host/x", "GET ***@host/x");
    check("GET|POST https://me:secret@host/x", "GET|POST https://***@host/x");
    check("https:/me:secret@host", "***@host");
    // What is no user of a URL as it should be written.
    for odd in [
        "a@b", "a/b", "a b", "a?b", "a#b", "a'b", "a\"b", "a`b", "a`? b", "a//b", "a\\b", "é",
        "12/3",
    ] {
        check(&format!("https://me:{odd}@host"), "https://***@host");
        check(&format!("me:{odd}@host"), "***@host");
    }
}

#[test]
fn what_is_no_user_is_shown() {
    for value in [
        "https://host/path",
        "https://USER:PASSWORD@host",
        "mailto:admin@host.example",
        "/users/@me",
        "GET /users/@me",
        "./a@b",
        "admin@host",
        "@scope/package",
        "127.0.0.1:5000",
        "https://@host",
        "",
    ] {
        check(value, value);
    }
}

#[test]
fn a_message_is_shown_without_users_and_passwords() {
    for (message, expected) in [
        ("https://me:secret@host: refused", "https://***@host: refused"),
        ("(https://me:secret@host)", "(https://***@host)"),
        (
            "`a` https://x:s@h `https://y:s@h` (`z:s@h`)",
            "`a` https://***@h `https://***@h` (`***@h`)",
        ),
        ("never closed `me:secret@host", "never closed `***@host"),
        ("write to me@host or https://host", "write to me@host or https://host"),
    ] {
        assert_eq!(without_userinfo(message), expected);
    }
}

#[test]
fn parts_of_a_value_are_shown_without_its_user_and_password() {
    let value = "https://me:secret phrase a@host";
    for (message, expected) in [
        ("`https://me:secret` is no method", "`https://***` is no method"),
        (
            "'https://me:secret phrase a@host': `phrase` is a word",
            "'https://***@host': `***` is a word",
        ),
        ("port `secret phrase`", "port `*** ***`"),
        ("nothing of it", "nothing of it"),
    ] {
        assert_eq!(without_userinfo_of(message.to_owned(), value), expected);
    }
    assert_eq!(without_userinfo_of("GET /users/".to_owned(), "GET /users/@me"), "GET /users/");
}

#[test]
fn json_is_shown_without_users_and_passwords() {
    let value = serde_json::json!({ "a:secret@h": ["https://me:secret@h", { "deep": "a:secret@h" }, 1, null, true] });
    let shown =
        serde_json::json!({ "***@h": ["https://***@h", { "deep": "***@h" }, 1, null, true] });
    assert_eq!(json_without_userinfo(value), shown);
}

#[test]
fn a_file_hides_whatever_may_be_a_user_and_a_password() {
    for line in [
        "a = 'https://me:secret@host'",
        "# a = \"https://me:secret@host\"",
        "a = { b = 'https://me:secret@host', c = 'x' }",
        "a = { b = 'me:secret@host' }",
        "a = 'me:se cr et secret@host'",
        "a = 'https://me:secret'quoted@host'",
        "a = \"https://me:secret\"quoted@host",
        r#"{"a":"https:\/\/me:secret@host"}"#,
        r#"{"a":"https:\/\/me:secret\u0040host"}"#,
        r#"a = "https://me:secret\U00000040host""#,
        r#"a = "me:secret\x40host""#,
        "https://me:secret@host",
    ] {
        let text = format!("first = 'é'\n{line}\nlast");
        let mut shown = text.clone();
        in_source(&text)
            .into_iter()
            .for_each(|span| shown.replace_range(span.clone(), &"*".repeat(span.len())));
        assert!(
            !shown.contains("secret")
                && shown.starts_with("first = 'é'\n")
                && shown.ends_with("\nlast"),
            "{shown}"
        );
    }
    assert!(in_source("allow = ['GET /users/@me']\nmail = 'mailto:a@b'").is_empty());
}
