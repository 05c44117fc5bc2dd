use super::{ParseUrlError, ValkeyUrl};

#[track_caller]
fn check(text: &str, shown: &str) -> ValkeyUrl {
    let url: ValkeyUrl = text.parse().unwrap();
    assert_eq!(url.to_string(), shown, "{text}");
    url
}

#[track_caller]
fn refused(text: &str, error: ParseUrlError) {
    assert_eq!(text.parse::<ValkeyUrl>(), Err(error), "{text}");
}

#[test]
fn every_form_is_read() {
    check("redis://localhost", "redis://localhost:6379");
    check("valkeys://[::1]:7000/3", "rediss://[::1]:7000");
    check("unix:/run/valkey.sock", "unix:/run/valkey.sock");
    check("unix:///run/valkey.sock?database=2", "unix:/run/valkey.sock");
    check("redis+sentinel://one,two:7/main", "redis+sentinel://one:26379,two:7/main");
    check("rediss+cluster://u:p@one,two:7", "rediss+cluster://one:6379,two:7");
    assert_eq!(check("redis://h/15", "redis://h:6379").database, 15);
    assert_eq!(check("redis+sentinel://h/m/4", "redis+sentinel://h:26379/m").database, 4);
}

#[test]
fn names_and_passwords_are_decoded_and_never_shown() {
    let url = check("redis://a%40b:p%3A%2f@w@h:1", "redis://h:1");
    assert_eq!(url.login.user.as_deref(), Some("a@b"));
    assert_eq!(url.login.password.as_deref(), Some("p:/@w"));
    assert!(!format!("{url:?} {url}").contains("p:/"));
    let url = check("unix:/s?user=me&password=very%20secret", "unix:/s");
    assert_eq!(url.login.password.as_deref(), Some("very secret"));
    assert!(!format!("{url:?}").contains("secret"));
    let url =
        check("redis+sentinel://:pw@h/m?sentinel_password=other", "redis+sentinel://h:26379/m");
    assert_eq!((url.login.user, url.sentinel_login.password.as_deref()), (None, Some("other")));
}

#[test]
fn everything_else_is_refused() {
    refused("http://h", ParseUrlError::Scheme);
    refused("localhost:6379", ParseUrlError::Scheme);
    refused("redis+ring://h", ParseUrlError::Scheme);
    refused("redis://", ParseUrlError::Host);
    refused("redis://one,two", ParseUrlError::Host);
    refused("redis://h:99999", ParseUrlError::Host);
    refused("redis://h:x/1", ParseUrlError::Host);
    refused("unix:", ParseUrlError::Host);
    refused("redis://h/x", ParseUrlError::Database);
    refused("redis+cluster://h/1", ParseUrlError::Database);
    refused("redis+sentinel://h", ParseUrlError::Master);
    refused("redis://h?password=x", ParseUrlError::Parameter);
    refused("unix:/s?db=1", ParseUrlError::Parameter);
    refused("redis://u:%zz@h", ParseUrlError::Percent);
    refused("redis://u:%f@h", ParseUrlError::Percent);
}
