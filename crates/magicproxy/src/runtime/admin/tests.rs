//! The decisions of the admin listener, without sockets: those of `docs/spec/admin.md`.

use http::request::Parts;
use http::{Method, Request};
use magicproxy_config::config::{Flags, Layers};
use magicproxy_config::ground::environment::Environment;
use magicproxy_proxy::settings::AdminToken;

use super::access::{AccessAddress, Reader, is_of_another_origin};
use super::current::{AdminConfig, CurrentAdminConfig};
use super::request::{Detail, Page};
use super::response::Form;
use crate::runtime::settings;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn tcp(ip: &str) -> AccessAddress {
    AccessAddress::Tcp(ip.parse().unwrap())
}

/// The configuration of a file.
fn configured(text: &str) -> AdminConfig {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("magicproxy.toml");
    std::fs::write(&file, text).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let layers = Layers::gather(flags, &Environment::from_iter(Vec::<(String, String)>::new()));
    AdminConfig::of(&settings::check(layers).unwrap())
}

/// Addresses of the listener, and who a client is that shows nothing, a wrong token and the token:
/// first where there is none to show, then where there is one.
#[test]
fn the_mode_of_a_socket_the_machine_or_a_token_says_who_reads() {
    use Reader::{FromElsewhere, Trusted, WithoutToken};
    let token = AdminToken::parse(TOKEN).unwrap();
    let right = format!("Bearer {TOKEN}");
    let basic = format!("Basic {TOKEN}");
    for (access, without, with) in [
        (AccessAddress::Socket, Trusted, Trusted),
        (tcp("127.0.0.1"), Trusted, WithoutToken),
        (tcp("127.8.9.1"), Trusted, WithoutToken),
        (tcp("::1"), Trusted, WithoutToken),
        (tcp("::ffff:127.0.0.1"), Trusted, WithoutToken),
        (tcp("0.0.0.0"), FromElsewhere, WithoutToken),
        (tcp("::"), FromElsewhere, WithoutToken),
        (tcp("192.0.2.1"), FromElsewhere, WithoutToken),
    ] {
        let read = |token: Option<&AdminToken>, fields: &[(&str, &str)]| {
            access.reader(token, &head("/metrics", fields))
        };
        let wrong: [&[(&str, &str)]; 5] = [
            &[],
            &[("authorization", &basic)],
            &[("authorization", TOKEN)],
            &[("authorization", "Bearer 0123456789abcdef0123456789abcdee")],
            &[("authorization", &right), ("authorization", &right)],
        ];
        for fields in wrong {
            assert_eq!(read(None, fields), without, "{access:?} {fields:?}");
            assert_eq!(read(Some(&token), fields), with, "{access:?} {fields:?}");
        }
        for shown in [right.clone(), format!("bearer  {TOKEN}")] {
            let fields = [("authorization", shown.as_str())];
            assert_eq!(read(Some(&token), &fields), Trusted, "{access:?} {shown}");
        }
    }
}

#[test]
fn plain_is_what_tells_a_status_and_nothing_else() {
    for (page, plain, verbose) in [
        (Page::Health, true, true),
        (Page::Ready, true, false),
        (Page::Version, false, false),
        (Page::Metrics, false, false),
        (Page::Reload, false, false),
        (Page::Backup, false, false),
    ] {
        assert_eq!(page.is_plain(Detail::Plain), plain, "{page:?}");
        assert_eq!(page.is_plain(Detail::Verbose), verbose, "{page:?}");
    }
}

#[test]
fn a_loopback_address_is_called_by_names_of_its_own() {
    let (socket, anywhere) = (AccessAddress::Socket, tcp("0.0.0.0"));
    let config = configured("");
    let own = [("host", "127.0.0.1:5001")];
    for (target, fields, expected) in [
        ("/", &own[..], true),
        ("/", &[("host", "localhost")], true),
        ("/", &[("host", "[::1]:9")], true),
        ("/", &[("host", "rebind.attacker.example")], false),
        ("/", &[("host", "127.0.0.1.attacker.example")], false),
        ("/", &[("host", "")], false),
        ("/", &[], false),
        ("/", &[("host", "localhost"), ("host", "localhost")], false),
        ("/", &[("host", "localhost"), ("host", "rebind.attacker.example")], false),
        ("http://localhost/", &own, true),
        ("http://rebind.attacker.example/", &own, false),
        ("http://localhost/", &[("host", "rebind.attacker.example")], false),
    ] {
        let head = head(target, fields);
        let called = |access: AccessAddress| access.is_called_by_name(&config, &head);
        assert_eq!(called(tcp("127.0.0.1")), expected, "{target} {fields:?}");
        assert!(called(socket) && called(anywhere));
    }
}

/// Names, and whether the listener on loopback and on every address is called so, before and after
/// a change of the configuration.
#[test]
fn names_follow_the_configuration() {
    let admin = "[admin]\nlisten = ['localhost:5001', '0.0.0.0:5002']\n";
    let current = CurrentAdminConfig::new(configured(admin));
    let called = |host: &str| {
        let head = head("/", &[("host", host)]);
        let config = current.get();
        let [here, anywhere] = [tcp("127.0.0.1"), tcp("0.0.0.0")];
        (here.is_called_by_name(&config, &head), anywhere.is_called_by_name(&config, &head))
    };
    assert_eq!((called("a.example"), called("b.example")), ((false, true), (false, true)));
    for (more, a, b) in [
        ("allowed_hosts = ['a.example']\n", (true, true), (false, true)),
        ("allowed_hosts = ['b.example']\n", (false, true), (true, true)),
        ("check_host = 'everywhere'\n", (false, false), (false, false)),
        (
            "check_host = 'everywhere'\nallowed_hosts = ['a.example']\n",
            (true, true),
            (false, false),
        ),
        ("check_host = 'loopback'\n", (false, true), (false, true)),
    ] {
        current.replace(configured(&format!("{more}{admin}")));
        assert_eq!((called("a.example"), called("b.example")), (a, b), "{more}");
    }
}

#[test]
fn a_browser_says_whose_page_asks() {
    for (fields, expected) in [
        (&[][..], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "same-origin")], false),
        (&[("sec-fetch-site", "same-site")], true),
        (&[("sec-fetch-site", "cross-site")], true),
        (&[("sec-fetch-site", "")], true),
        (&[("origin", "http://127.0.0.1:5001")], true),
        (&[("origin", "null")], true),
    ] {
        assert_eq!(is_of_another_origin(&head("/", fields)), expected, "{fields:?}");
    }
}

#[test]
fn json_is_for_who_names_it() {
    for (accept, expected) in [
        ("application/json", Form::Json),
        ("text/plain;q=0.5, Application/JSON ; q=0.9", Form::Json),
        ("application/json;q=0", Form::Text),
        ("application/json; q=0.000", Form::Text),
        ("*/*", Form::Text),
        ("text/html,application/xhtml+xml", Form::Text),
        ("application/jsonp", Form::Text),
        ("", Form::Text),
    ] {
        assert_eq!(Form::of(&head("/", &[("accept", accept)])), expected, "{accept}");
    }
    assert_eq!(Form::of(&head("/", &[])), Form::Text);
}

#[test]
fn a_page_is_its_path_and_has_its_methods() {
    for path in ["/", "/healthz/", "//healthz", "/Healthz", "/health%7a", "/__magictoken", "/user"]
    {
        assert_eq!(Page::of(path), None, "{path}");
    }
    for path in ["/healthz", "/readyz", "/version", "/metrics", "/reload", "/backup"] {
        let page = Page::of(path).unwrap();
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(page.takes(method.as_str()), !page.is_operation(), "{method} {path}");
        }
        assert_eq!(page.is_operation(), matches!(path, "/reload" | "/backup"), "{path}");
        assert_eq!(page.takes("POST"), page.is_operation(), "{path}");
        for method in ["OPTIONS", "PUT", "DELETE", "TRACE", "get", "GET, HEAD", ""] {
            assert!(!page.takes(method), "{method} {path}");
        }
    }
    for (target, expected) in [
        ("/readyz", Detail::Plain),
        ("/readyz?", Detail::Plain),
        ("/readyz?verbose", Detail::Verbose),
        ("/readyz?verbose=1&x", Detail::Verbose),
        ("/readyz?x&verbose=", Detail::Verbose),
        ("/readyz?verbos", Detail::Plain),
    ] {
        assert_eq!(Detail::of(&head(target, &[])), expected, "{target}");
    }
}
