use super::*;

#[test]
fn proxies_are_named_by_urls() {
    for (text, shown) in [
        ("http://proxy.corp:3128", "http://proxy.corp:3128"),
        ("HTTP://proxy.corp:3128/", "http://proxy.corp:3128"),
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        ("http://proxy.corp", "http://proxy.corp:80"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://user:ghp_marked@10.0.0.1:8080", "http://***@10.0.0.1:8080"),
    ] {
        let proxy = OutboundProxy::parse(text).unwrap();
        assert_eq!(
            (proxy.to_string(), format!("{proxy:?}")),
            (shown.to_owned(), format!("OutboundProxy({shown})")),
            "{text}"
        );
    }
    use ParseOutboundProxyError::{Scheme, Url, User};
    for (text, error) in [
        ("https://proxy:3128", Scheme),
        ("socks5://proxy:1080", Scheme),
        ("", Url),
        ("http://", Url),
        ("http://proxy:", Url),
        ("http://proxy:99999", Url),
        ("http://proxy:x", Url),
        ("http://[::1]:x", Url),
        ("http://proxy:80/path", Url),
        ("http://a b:80", Url),
        ("http://u%:p@proxy:80", User),
        ("http://u:p%0d%0ax@proxy:80", User),
        ("http://u%3a:p@proxy:80", User),
    ] {
        assert_eq!(OutboundProxy::parse(text).unwrap_err(), error, "{text}");
    }
}

#[test]
fn users_are_decoded() {
    for (user, expected) in [
        ("me:secret", "me:secret"),
        ("me", "me:"),
        ("d%40corp:p%3A%2F%25", "d@corp:p:/%"),
        ("a@b:c", "a@b:c"),
    ] {
        let proxy = OutboundProxy::parse(&format!("http://{user}@proxy:1")).unwrap();
        let value = proxy.authorization().unwrap();
        assert!(value.is_sensitive());
        assert_eq!(
            value.to_str().unwrap(),
            format!("Basic {}", BASE64_STANDARD.encode(expected)),
            "{user}"
        );
    }
}

#[test]
fn exceptions_are_hosts_below_hosts_addresses_and_networks() {
    let covers =
        |list: &str, root: &str| NoProxy::parse(list).covers(&ApiRoot::parse(root).unwrap());
    for (list, root) in [
        ("*", "https://api.example.com"),
        ("example.com", "https://example.com"),
        ("example.com", "https://API.Example.Com"),
        (".example.com", "https://api.example.com"),
        ("*.example.com", "https://api.example.com"),
        ("a.test, example.com ,b.test", "https://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("192.0.2.7", "https://192.0.2.7"),
        ("192.0.2.0/24", "https://192.0.2.7"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
        ("2001:db8::/32", "https://[2001:db8::1]"),
        ("[2001:db8::1]:443", "https://[2001:db8::1]"),
        ("", "https://localhost:8443"),
        ("", "http://127.0.0.9"),
        ("", "http://[::1]:80"),
    ] {
        assert!(covers(list, root), "{list}: {root}");
    }
    for (list, root) in [
        ("", "https://example.com"),
        ("example.com", "https://notexample.com"),
        ("example.com", "https://example.com.evil.test"),
        ("api.example.com", "https://example.com"),
        ("example.com:8443", "https://example.com"),
        ("192.0.2.0/24", "https://192.0.3.7"),
        ("0.2.7", "https://192.0.2.7"),
        (",.,", "https://example.com"),
    ] {
        assert!(!covers(list, root), "{list}: {root}");
    }
}

#[test]
fn each_origin_has_its_proxy_or_none() {
    let named = |variable, url| {
        Some(NamedProxy { variable, proxy: Arc::new(OutboundProxy::parse(url).unwrap()) })
    };
    let proxies = Arc::new(EnvironmentProxies {
        https: named("HTTPS_PROXY", "http://s:1"),
        http: named("http_proxy", "http://p:1"),
        except: NoProxy::parse("internal.test"),
    });
    let root = |text: &str| ApiRoot::parse(text).unwrap();
    let shown = |outbound: &Outbound, text: &str| {
        outbound.proxy(&root(text)).map(|proxy| proxy.to_string())
    };
    let (used, unused) =
        (Outbound::Environment(Arc::clone(&proxies)), Outbound::DirectDespite(proxies));
    assert_eq!(shown(&used, "https://api.test").as_deref(), Some("http://s:1"));
    assert_eq!(shown(&used, "http://api.test").as_deref(), Some("http://p:1"));
    assert_eq!(shown(&used, "https://internal.test"), None);
    assert_eq!(shown(&unused, "https://api.test"), None);
    assert_eq!(unused.unheeded_variable(&root("https://api.test")), Some("HTTPS_PROXY"));
    assert_eq!(unused.unheeded_variable(&root("https://internal.test")), None);
    assert_eq!(used.unheeded_variable(&root("https://api.test")), None);
}
