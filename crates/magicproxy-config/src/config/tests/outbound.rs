use magicproxy_proxy::settings::{ApiRoot, Outbound};

use super::*;

/// The proxy for `https://api.github.com`, as it is shown.
fn proxy_of(layers: Layers) -> Option<String> {
    let config = layers.check().unwrap();
    let root = ApiRoot::parse("https://api.github.com").unwrap();
    config.upstreams[0].outbound.proxy(&root).map(ToString::to_string)
}

fn with_environment(variables: &[(&str, &str)]) -> Layers {
    Layers::gather(Flags::default(), &environment(variables))
}

#[test]
fn a_proxy_is_used_where_the_operator_says_so() {
    let variables = [("HTTPS_PROXY", "http://env:3128"), ("NO_PROXY", "internal.test")];
    let said =
        |value: &'static str| [&variables[..], &[("MAGICPROXY_OUTBOUND_PROXY", value)]].concat();
    assert_eq!(
        proxy_of(with_environment(&variables)),
        None,
        "the environment alone chooses no way"
    );
    assert_eq!(proxy_of(with_environment(&said("none"))), None);
    assert_eq!(
        proxy_of(with_environment(&said("environment"))).as_deref(),
        Some("http://env:3128")
    );
    assert_eq!(
        proxy_of(with_environment(&said("http://u:p@own:1"))).as_deref(),
        Some("http://***@own:1")
    );
    let small = [
        ("https_proxy", "small:1"),
        ("HTTPS_PROXY", "large:1"),
        ("MAGICPROXY_OUTBOUND_PROXY", "environment"),
    ];
    assert_eq!(proxy_of(with_environment(&small)).as_deref(), Some("http://small:1"));
    let all = [("ALL_PROXY", "http://all:1"), ("MAGICPROXY_OUTBOUND_PROXY", "environment")];
    assert_eq!(proxy_of(with_environment(&all)).as_deref(), Some("http://all:1"));
    let except = [
        ("https_proxy", "http://p:1"),
        ("no_proxy", ".github.com"),
        ("MAGICPROXY_OUTBOUND_PROXY", "environment"),
    ];
    assert_eq!(proxy_of(with_environment(&except)), None);
}

#[test]
fn an_upstream_may_have_its_own() {
    assert_eq!(
        proxy_of(native("outbound_proxy = 'http://all:1'")).as_deref(),
        Some("http://all:1")
    );
    assert_eq!(
        proxy_of(native("outbound_proxy = 'http://all:1'\n[upstream]\noutbound_proxy = 'none'")),
        None
    );
    let own = "outbound_proxy = 'none'\n[upstream]\noutbound_proxy = 'http://own:1'";
    assert_eq!(proxy_of(native(own)).as_deref(), Some("http://own:1"));
}

#[test]
fn a_variable_that_is_not_used_is_known() {
    let root = ApiRoot::parse("https://api.github.com").unwrap();
    let unheeded = |variables: &[(&str, &str)]| {
        let config = with_environment(variables).check().unwrap();
        let outbound: Outbound = config.upstreams[0].outbound.clone();
        outbound.unheeded_variable(&root)
    };
    assert_eq!(unheeded(&[("HTTPS_PROXY", "http://p:1")]), Some("HTTPS_PROXY"));
    assert_eq!(
        unheeded(&[("HTTPS_PROXY", "http://p:1"), ("MAGICPROXY_OUTBOUND_PROXY", "none")]),
        None
    );
    // What means nothing to us is nobody's fault as long as nobody wants it.
    assert_eq!(unheeded(&[("HTTPS_PROXY", "socks5://p:1")]), None);
}

/// Passwords are in no fault, excerpt or listing.
#[test]
fn what_is_wrong_is_said_without_the_text() {
    for (text, part) in [
        ("outbound_proxy = 'https://u:hunter2@p:1'", "proxies that speak TLS themselves"),
        ("outbound_proxy = 'socks5://u:hunter2@p:1'", "SOCKS"),
        ("outbound_proxy = 'http://u:hunter2@p:x'", "expected `http://HOST:PORT`"),
        ("[upstream]\noutbound_proxy = 'ftp://u:hunter2@p'", "upstream.outbound_proxy: expected"),
        ("outbound_proxy = ['http://u:hunter2@p:1']", "outbound_proxy"),
        ("listen = 'x'\noutbound_proxy = 'http://u:hunter2@p:1'", "expected `HOST:PORT`"),
        (
            "outbound_proxy = 'http://u:hunter2@p:1'\noutbound_proxy_file = 'x'",
            "there is `outbound_proxy` as well",
        ),
        (
            "outbound_proxy_file = '/nowhere/x'",
            "outbound_proxy_file `/nowhere/x`: there is no such file",
        ),
    ] {
        let rendered = faults(native(text)).replace("\n  │ ", " ");
        assert!(rendered.contains(part) && !rendered.contains("hunter2"), "{text}: {rendered}");
    }
    let variables =
        [("MAGICPROXY_OUTBOUND_PROXY", "environment"), ("https_proxy", "socks5://u:hunter2@p")];
    let rendered = faults(with_environment(&variables));
    assert!(
        rendered.contains("environment variable `https_proxy`") && !rendered.contains("hunter2"),
        "{rendered}"
    );
    let layers = native("outbound_proxy = 'http://u:hunter2@p:1'");
    let shown: Vec<String> = layers
        .raw
        .entries()
        .into_iter()
        .map(|entry| format!("{} {}", entry.key, entry.value))
        .collect();
    assert!(shown.contains(&"outbound_proxy \"http://***@p:1\"".to_owned()), "{shown:?}");
    assert!(!format!("{:?}", layers.raw).contains("hunter2"));
}

/// A setting whose type may hold a secret is masked wherever it stands, right or wrong, beside any other fault.
#[test]
fn a_type_that_may_hold_a_secret_is_masked_wherever_it_stands() {
    let mut masked = 0;
    for section in ["", "upstream.", "upstreams.a.", "state.", "keys.", "plugins.p.", "tokens."] {
        for key in ["outbound_proxy", "url"] {
            for value in [
                "'redis://u:hunter2@h:1'",
                "['hunter2']",
                "{ deep = ['hunter2'] }",
                "[[1, 'hunter2']]",
            ] {
                let text = format!("listen = 'x'\nmint = 7\n{section}{key} = {value}");
                let layers = native(&text);
                assert!(!format!("{:?}", layers.sources).contains("hunter2"), "{text}");
                let rendered = faults(layers);
                assert!(!rendered.contains("hunter2"), "{text}: {rendered}");
                masked += 1;
            }
        }
    }
    assert_eq!(masked, 56);
}
