//! What is said for all upstreams is checked once, however many there are.

use super::*;
use crate::config::tls::{CertificateFault, CertificateFiles, FaultyFile};

/// One upstream, three, three of which one matches patterns in the old way, and three of which each says something itself.
fn upstreams() -> [String; 4] {
    let named = |lines: [&str; 3]| {
        let tables = ["a", "b", "c"].into_iter().zip(lines);
        tables
            .map(|(name, line)| {
                format!("[upstreams.{name}]\napi_root = 'https://{name}.example'\n{line}\n")
            })
            .collect::<String>()
    };
    let own = "accept = 'v1'\nrequire_sub = true\nresponse_timeout = '1m'\npass_request_headers = 'X-Own'";
    [
        "[upstream]\napi_root = 'https://a.example'\n".to_owned(),
        named(["", "", ""]),
        named(["", "danger_prefix_matching = true", ""]),
        named([own, own, ""]),
    ]
}

/// Everything that is found, before anything is left out that is said twice.
fn found(layers: Layers) -> Vec<String> {
    let unreadable = |_: &CertificateFiles| {
        Err(CertificateFault {
            file: FaultyFile::Certificate,
            message: "there is no such file or folder".to_owned(),
        })
    };
    layers.checked().reading(unreadable).faults.into_iter().map(|fault| fault.message).collect()
}

/// A fault of a global section, and how what is said of it begins.
#[track_caller]
fn check(global: &str, begins: &[&str]) {
    for upstreams in upstreams() {
        let text = format!("{global}\n{upstreams}");
        let mut found = found(native(&text));
        found.sort();
        assert_eq!(found.len(), begins.len(), "{text}: {found:#?}");
        for (message, begin) in found.iter().zip(begins) {
            assert!(message.starts_with(begin), "{text}: expected {begin:?} in {message:?}");
        }
    }
}

#[test]
fn scopes_and_plugins() {
    check("scopes.s = 'GET user'", &["scope `s`: `GET user`: path must"]);
    check("scopes.s = ['GET user', 'GTE /y']", &["scope `s`: `GET user`", "scope `s`: `GTE /y`"]);
    check("scopes.s = 'GET /('", &["scope `s`: `GET /(`"]);
    check("scopes.s = []", &["scope `s`: the list of rules is empty"]);
    check("scopes.'a b' = 'GET /x'", &["scope `a b`: expected a name"]);
    check("scopes.s = { plugin = 'absent' }", &["scope `s`: there is no plugin `absent`"]);
    let unbuilt: &[&str] = if cfg!(feature = "plugins") {
        &[]
    } else {
        &["plugin `p`: this program was built without plugins"]
    };
    let with = |faults: &[&'static str]| -> Vec<&'static str> { [faults, unbuilt].concat() };
    check("plugins.p = {}", &with(&["plugin `p`: expected `file`"]));
    let of_limits = [
        ("time_limit = '1h'", "plugins.p.time_limit `1h`"),
        ("time_limit = 'x'", "plugins.p.time_limit `x`"),
        ("memory_limit = 1", "plugins.p.memory_limit `1`"),
        ("max_body = 0", "plugins.p.max_body `0`: expected at most `64MiB`"),
        ("max_body = '65MiB'", "plugins.p.max_body `65MiB`: expected at most `64MiB`"),
        ("fuel = 0", "plugins.p.fuel `0`"),
        ("state_calls = 0", "plugins.p.state_calls `0`"),
    ];
    for (line, fault) in of_limits {
        let mut expected = with(&[fault]);
        expected.sort_unstable();
        check(&format!("plugins.p = {{ file = 'p.wasm', {line} }}"), &expected);
    }
}

#[test]
fn tokens_and_minting() {
    check(
        "tokens.max_lifetime = '500ms'",
        &["tokens.max_lifetime `500ms`: expected at least `1s`"],
    );
    check("tokens.max_lifetime = 'x'", &["tokens.max_lifetime `x`"]);
    check("tokens.accept = []", &["tokens.accept: expected `v1`, `v2` or both"]);
    check("tokens.kems = []", &["tokens.kems: expected"]);
    check(
        "tokens.deny_kid = ['nonsense', 'other']",
        &["tokens.deny_kid `nonsense`", "tokens.deny_kid `other`"],
    );
    check(
        "tokens.minters = ['missing.jwk']\nmint.policy = 'closed'",
        &["tokens.minters `missing.jwk`"],
    );
    check("tokens.minters = []", &["tokens.minters: expected at least one JWK file"]);
    check("tokens.trusted_proxies = 'everyone'", &["tokens.trusted_proxies `everyone`"]);
    check(
        "tokens.revocations = 'r.json'\nstate = { store = 'valkey', url = 'redis://h' }",
        &["tokens.revocations: with"],
    );
    check("mint.default_lifetime = '10ms'", &["mint.default_lifetime `10ms`"]);
    check(
        "mint.default_lifetime = '2h'\nmint.max_lifetime = '1h'",
        &["mint.default_lifetime `2h`: longer than"],
    );
    check("mint.max_lifetime = 'x'", &["mint.max_lifetime `x`"]);
}

/// One fault names all whom it is about.
#[test]
fn a_mint_that_is_open_in_vain() {
    let message = |upstreams: &str| {
        let found =
            found(native(&format!("mint.policy = 'open'\ntokens.accept = 'v2'\n{upstreams}")));
        assert_eq!(found.len(), 1, "{found:#?}");
        found.into_iter().next().unwrap()
    };
    let [one, three, _, own] = upstreams();
    let begin = "mint.policy `open`: tokens of version 1 are minted over HTTP, and";
    assert_eq!(message(&one), format!("{begin} `upstream` does not accept them"));
    assert_eq!(
        message(&three),
        format!("{begin} `upstreams.a`, `upstreams.b`, `upstreams.c` do not accept them")
    );
    assert_eq!(message(&own), format!("{begin} `upstreams.c` does not accept them"));
}

#[test]
fn listeners_and_certificates() {
    check("listen = 'nowhere'", &["listen `nowhere`"]);
    check(
        "listeners = { listen = '127.0.0.1:0', upstream = 'nobody' }",
        &["listeners.upstream `nobody`"],
    );
    check("listeners = { listen = '127.0.0.1:0', mode = '0999' }", &["listeners.mode `0999`"]);
    check(
        "listeners = { listen = '127.0.0.1:0', tls = true }",
        &["listeners.tls: there is no certificate"],
    );
    check(
        "listeners = { mode = '0660' }",
        &["listeners.listen is needed", "listeners.mode: only a Unix socket has one"],
    );
    check(
        "listeners = [{ listen = '127.0.0.1:9' }, { listen = '127.0.0.1:9' }]",
        &["listeners.listen `127.0.0.1:9`: another"],
    );
    check("allowed_hosts = 'a b'", &["allowed_hosts `a b`"]);
    check("public_access = 'nowhere'", &["public_access `nowhere`"]);
    check("tls.certificate = 'missing.pem'", &["tls.private_key is needed"]);
    check(
        "tls = { certificate = 'missing.pem', private_key = 'missing.pem' }",
        &["tls.certificate `missing.pem`"],
    );
    check(
        "tls.dev = true\nacme.domains = 'p.example'",
        &["acme.domains: the certificate comes from `tls.dev`"],
    );
    check("acme.domains = ['nodot']", &["acme.domains `nodot`"]);
    check("acme.domains = []", &["acme.domains: the list is empty"]);
    check("acme = { domains = 'p.example', contact = 'me' }", &["acme.contact `me`"]);
    check(
        "acme = { domains = 'p.example', directory = 'http://p.example' }",
        &["acme.directory `http://p.example`"],
    );
    check(
        "acme = { domains = 'p.example', extra_ca_file = 'missing.pem' }",
        &["acme.extra_ca_file `missing.pem`"],
    );
    check("acme.cache = 'c'", &["acme.cache: which names"]);
    check("keys.bits = 1024", &["keys.bits `1024`"]);
}

#[test]
fn stores_and_outbound_proxies() {
    check("state.path = 'x'\nstate.store = 'memory'", &["state.path: this is for"]);
    check("state.store = 'valkey'", &["state.store `valkey`: where is it?"]);
    check("state = { store = 'valkey', url = 'x' }", &["state.url: "]);
    check(
        "state = { store = 'valkey', url = 'redis://h', url_file = 'u' }",
        &["state.url_file: there is `state.url`"],
    );
    check("state = { store = 'valkey', url_file = 'missing' }", &["state.url_file `missing`"]);
    check("state = { store = 'valkey', url = 'redis://h', timeout = 'x' }", &["state.timeout `x`"]);
    check(
        "state = { store = 'valkey', url = 'redis://h', prefix = 'a b' }",
        &["state.prefix `a b`"],
    );
    check(
        "state = { store = 'valkey', url = 'redis://h', extra_ca_file = 'missing' }",
        &["state.extra_ca_file `missing`"],
    );
    check(
        "state = { store = 'valkey', url = 'redis://h', on_unreachable = 'x' }",
        &["state.on_unreachable `x`"],
    );
    check("outbound_proxy = 'ftp://p'", &["outbound_proxy: "]);
    check(
        "outbound_proxy = 'none'\noutbound_proxy_file = 'missing'",
        &["outbound_proxy_file: there is `outbound_proxy`"],
    );
    check("outbound_proxy_file = 'missing'", &["outbound_proxy_file `missing`"]);
}

/// The variable is one, whoever goes by it.
#[test]
fn proxies_of_the_environment() {
    let variables = environment(&[("HTTPS_PROXY", "ftp://p"), ("HTTP_PROXY", "http://p:1")]);
    for upstreams in upstreams() {
        for (all, each) in
            [("outbound_proxy = 'environment'\n", ""), ("", "outbound_proxy = 'environment'\n")]
        {
            let each = upstreams.replace("example'\n", &format!("example'\n{each}"));
            let mut layers = native(&format!("{all}{each}"));
            layers.raw.proxies = RawProxies::of(&variables);
            let found = found(layers);
            assert_eq!(found.len(), 1, "{all}{each}: {found:#?}");
            assert!(
                found[0].starts_with("outbound_proxy: environment variable `HTTPS_PROXY`: "),
                "{found:?}"
            );
        }
    }
}

/// Each number and each duration of the two sections, whatever their names are.
#[test]
fn limits_and_timeouts() {
    let keys = RawConfig::keys();
    let timeouts = keys.iter().filter(|key| key.starts_with("timeouts."));
    for key in timeouts {
        check(&format!("{key} = 'x'"), &[&format!("{key} `x`: expected a duration")]);
    }
    let limits =
        keys.iter().filter(|key| key.starts_with("limits.") && !key.ends_with("_reserved"));
    let may_be_none =
        ["limits.idle_upstream_connections", "limits.token_cache_bytes", "limits.rule_cache_bytes"];
    for key in limits.filter(|key| !may_be_none.contains(&key.as_str())) {
        check(&format!("{key} = 0"), &[&format!("{key} `0`: expected")]);
    }
    for key in keys.iter().filter(|key| {
        key.starts_with("limits.") && key.contains("_per_") || key.ends_with("_reserved")
    }) {
        if key != "limits.upstream_connections_per_origin"
            && key != "limits.upstream_streams_per_connection"
        {
            check(
                &format!("{key} = 999999999999"),
                &[&format!("{key} `999999999999`: more than limits.")],
            );
        }
    }
}

/// A variable of the environment gives each of them, too.
#[test]
fn variables() {
    let three = upstreams()[1].clone();
    for key in RawConfig::keys() {
        let name = format!("MAGICPROXY_{}", key.to_uppercase().replace('.', "_"));
        let layers = Layers::gather(Flags::default(), &environment(&[(&name, "\u{7f}")]));
        let file = native::parse(Path::new("magicproxy.toml"), three.clone());
        let raw = layers.raw.or(Layers::only(file.raw).raw);
        let found = found(Layers { raw, ..layers });
        let about: Vec<&String> =
            found.iter().filter(|message| message.contains('\u{7f}')).collect();
        assert!(about.len() <= 1, "{key}: {found:#?}");
    }
}

/// What is hardly meant is warned of once, too.
#[test]
fn warnings() {
    let ceilings =
        |upstreams: &str| upstreams.replace("example'\n", "example'\nceiling = 'GET /a'\n");
    let [one, three, _, _] = upstreams();
    for (global, begin) in [
        ("tokens.trusted_proxies = '0.0.0.0/0'", "tokens.trusted_proxies `0.0.0.0/0`"),
        ("scopes.s = ['GET /a', 'GET /b']", "scope `s`: no ceiling allows anything of `GET /b`"),
        (
            "scopes.s = [{ method = 'GET', path = '/a', query = { x = '1' } }, 'GET /a']",
            "scope `s`: the conditions of rule 1 `GET /a query {\"x\":\"1\"}` are in vain: rule 2 `GET /a` allows",
        ),
        (
            "scopes.s = { method = 'GET', path = '/a', headers = { x-a = '1', accept = '2' } }",
            "scope `s`: `GET /a headers {\"accept\":\"2\",\"x-a\":\"1\"}` tests the header `x-a`, which is always absent",
        ),
        (
            "scopes.s = ['GET /a', { method = 'GET', path = '/a', limit = { total = 3 } }]",
            "scope `s`: rule 2 `GET /a limit",
        ),
    ] {
        for upstreams in [&one, &three] {
            let layers = native(&format!("{global}\n{}", ceilings(upstreams)));
            let raw = layers.raw.clone();
            let warnings = lint::warnings(&raw, &layers.check().unwrap(), None);
            assert!(
                warnings.len() == 1 && warnings[0].starts_with(begin),
                "{global}: {warnings:?}"
            );
        }
    }
}

/// Compiled once for each way of matching, and shared.
#[test]
fn upstreams_that_match_alike_share_compiled_scopes() {
    let [_, three, mixed, _] = upstreams();
    let shared = |upstreams: &str| {
        let config = native(&format!("scopes.s = 'GET /x'\n{upstreams}")).check().unwrap();
        let scopes: Vec<_> =
            config.upstreams.iter().map(|upstream| Arc::clone(&upstream.scopes)).collect();
        assert!(scopes.iter().all(|scopes| scopes.names().count() == 1));
        [(0, 1), (0, 2)].map(|(one, other)| Arc::ptr_eq(&scopes[one], &scopes[other]))
    };
    assert_eq!(shared(&three), [true, true]);
    assert_eq!(shared(&mixed), [false, true]);
}
