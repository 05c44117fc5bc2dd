//! Upstreams: presets, names, places, carriers, pages.

use super::*;
use crate::providers::refusals::PROBLEM;
use crate::providers::{anthropic, gitlab};

/// What one client may hold bounds what is inspected: a default gives way, and a number of the
/// operator's is a fault.
#[test]
fn the_longest_inspected_body() {
    const MIB: usize = 1024 * 1024;
    let longest = |text: &str| native(text).check().unwrap().upstreams[0].max_inspected_body;
    for (text, bytes) in [
        ("", MIB),
        ("[upstreams.openai]", 32 * MIB),
        ("[upstreams.anthropic]", 32 * MIB),
        ("[upstreams.gitlab]", MIB),
        ("[upstreams.openai]\nmax_inspected_body = '2MiB'", 2 * MIB),
        ("upstream.max_inspected_body = 1", 1),
        ("upstream.max_inspected_body = '32MiB'", 32 * MIB),
        ("limits.inspected_bytes = 268435456\nupstream.max_inspected_body = '64MiB'", 64 * MIB),
        ("limits.inspected_bytes = 1048576", MIB / 4),
        ("limits.inspected_bytes = 1048576\n[upstreams.openai]", MIB / 4),
        ("limits.inspected_bytes_per_peer = 5\n[upstreams.openai]", 5),
        ("limits.inspected_bytes_per_owner = 7\n[upstreams.openai]", 7),
        ("limits.inspected_bytes_reserved = 134217719\n[upstreams.openai]", 9),
    ] {
        assert_eq!(longest(text), bytes, "{text}");
    }
    for text in ["0", "'0'", "'65MiB'", "67108865", "'lots'"] {
        let begin = format!("upstream.max_inspected_body `{}`: expected", text.trim_matches('\''));
        check(&format!("upstream.max_inspected_body = {text}"), &[&begin]);
    }
    check(
        "upstream.max_inspected_body = '33MiB'",
        &[
            "upstream.max_inspected_body `33MiB`: more than one client may hold, which is 33554432",
            "limits.inspected_bytes_per_owner",
        ],
    );
}

/// HTTP/2 is agreed by TLS, and only where it is asked for: no preset does.
#[test]
fn http_2_needs_tls() {
    let protocol = |text: &str| native(text).check().unwrap().upstreams[0].protocol;
    assert_eq!(protocol(""), UpstreamProtocol::Http1);
    assert_eq!(protocol("[upstreams.openai]"), UpstreamProtocol::Http1);
    for text in [
        "upstream.protocol = 'auto'",
        "upstream.protocol = 'auto'\nupstream.api_root = 'http://127.0.0.1:8080'",
    ] {
        assert_eq!(protocol(text), UpstreamProtocol::Negotiated, "{text}");
    }
    for name in ["http/1.1", "h1"] {
        assert_eq!(protocol(&format!("upstream.protocol = '{name}'")), UpstreamProtocol::Http1);
    }
    assert_eq!(protocol("upstream.protocol = 'h2'"), UpstreamProtocol::Negotiated);
    for text in [
        "upstream.protocol = 'h2'\nupstream.api_root = 'http://127.0.0.1:8080'",
        "upstream.protocol = 'h2'\nupstream.paths = { '/uploads' = 'http://uploads.example' }",
    ] {
        check(
            text,
            &[
                "upstream.protocol `h2`: needs TLS",
                "[magicproxy.toml:1:",
                "expected `auto` or `http/1.1`",
            ],
        );
    }
    check(
        "upstream.protocol = 'h3'",
        &[
            "upstream.protocol: `h3` is not known here: expected one of `auto`, `h1`, `http/1.1`, `h2`",
        ],
    );
    check("upstream.protocol = 'http/1'", &["did you mean `http/1.1`?"]);
    check("limits.upstream_streams_per_connection = 0", &["expected 1 to 1024"]);
    check("limits.upstream_connections_per_origin = 0", &["expected at least 1"]);
}

#[test]
fn presets_stand_below_what_is_written() {
    let config = native(
        r#"
        [upstreams.github]
        paths = { "/api/uploads" = "https://uploads.example" }
        [upstreams.dns]
        preset = "powerdns"
        api_root = "http://127.0.0.1:8081"
        mount = "/dns/v1/"
        hosts = ["DNS.example"]
        [upstreams.mine]
        api_root = "https://gitlab.com/"
        encoded_slash = "refuse"
        [upstreams.openai]
        preset = "none"
        api_root = "https://llm.example"
        rewrite_links = false
        "#,
    );
    let config = config.check().unwrap();
    let names: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["dns", "github", "mine", "openai"]);
    let [dns, github, mine, openai] = config.upstreams.as_slice() else { panic!("four upstreams") };
    assert_eq!(
        (dns.routes.mount.as_str(), dns.routes.hosts[0].as_str()),
        ("/dns/v1", "dns.example")
    );
    assert_eq!(
        (github.routes.mount.as_str(), github.encoded_slash),
        ("/github", EncodedSlash::Both)
    );
    let origins: Vec<String> = github.origins().map(ToString::to_string).collect();
    assert_eq!(origins, ["https://api.github.com", "https://uploads.example"]);
    assert_eq!(github.routes.paths.len(), 3);
    assert_eq!((mine.encoded_slash, &openai.links), (EncodedSlash::Refuse, &Links::Keep));
    assert!(
        config.upstreams.iter().all(|upstream| upstream.unnamed == UnnamedTokens::Refuse)
            && !config.upstream_assumed
    );
    assert!(config.upstream_named(None).is_err() && config.upstream_named(Some("mine")).is_ok());
}

#[test]
fn presets_know_how_their_servers_read_paths() {
    let reading = |text: &str| native(text).check().unwrap().upstreams[0].path_reading;
    for (text, expected) in [
        ("", PathReading::DecodeOnce),
        ("upstream.api_root = 'https://api.github.com/'", PathReading::DecodeOnce),
        ("[upstreams.github]\napi_root = 'https://ghe.example/api/v3'", PathReading::DecodeOnce),
        ("[upstreams.github-git]", PathReading::DecodeOnce),
        ("[upstreams.gitlab]", PathReading::DecodeOnce),
        ("[upstreams.cloudflare]", PathReading::Strict),
        ("[upstreams.openai]", PathReading::Strict),
        ("upstream.api_root = 'https://forge.example'", PathReading::Strict),
        ("[upstreams.gitlab]\npath_reading = 'strict'", PathReading::Strict),
        (
            "[upstreams.x]\napi_root = 'https://forge.example'\npath_reading = 'servlet'",
            PathReading::Servlet,
        ),
        (
            "[upstreams.x]\napi_root = 'https://forge.example'\npath_reading = 'normalize'",
            PathReading::Normalize,
        ),
    ] {
        assert_eq!(reading(text), expected, "{text}");
    }
    check("upstream.path_reading = 'decode_once'", &["path_reading", "decode-once"]);
    check(
        "upstream.path_reading = 'lenient'",
        &["path_reading", "strict", "decode-once", "servlet", "normalize"],
    );
}

#[test]
fn pages_are_named_and_no_open_mint_is_theirs() {
    let closed = "mint.policy = 'closed'\n";
    let origins = |text: &str| {
        native(text)
            .check()
            .unwrap()
            .upstreams
            .iter()
            .map(|one| one.allow_origins.is_empty())
            .collect()
    };
    let listed: Vec<bool> = origins(&format!(
        "{closed}[upstreams.github]\nallow_origins = 'https://app.example.com'\n[upstreams.gitlab]"
    ));
    assert_eq!(listed, [false, true]);
    let open = "[upstreams.github]\nallow_origins = ['https://app.example.com']";
    check(open, &["upstreams.github.allow_origins", "mint.policy = \"closed\""]);
    check(&format!("mint.policy = 'open'\n{open}"), &["mint.policy = \"closed\""]);
    for (origin, expected) in [
        ("*", "every page of the web"),
        ("https://*.example.com", "every page of the web"),
        ("null", "any page can make"),
        ("https://app.example.com/", "write `https://app.example.com`"),
        ("https://App.example.com:443", "write `https://app.example.com`"),
        ("app.example.com", "expected an origin as browsers send it"),
    ] {
        check(
            &format!("{closed}upstream.allow_origins = ['https://a.example', '{origin}']"),
            &["upstream.allow_origins", expected],
        );
    }
    assert!(native(&format!("{closed}upstream.allow_origins = []")).check().is_ok());
    assert!(native("upstream.allow_origins = []").check().is_ok());
}

#[test]
fn members_to_be_rewritten_come_from_the_operator_or_the_preset() {
    let members = |text: &str| match &native(text).check().unwrap().upstreams[0].links {
        Links::Rewrite(members) => Some(Members::clone(members)),
        Links::Keep => None,
    };
    let parsed = |texts: &[&str]| Some(Members::parse(texts.iter().copied()).unwrap());
    let unknown = |more: &str| format!("[upstreams.x]\napi_root = 'https://x.example'\n{more}");
    assert_eq!(members("[upstreams.anthropic]"), parsed(&["results_url", "data.results_url"]));
    assert_eq!(
        members("[upstreams.anthropic]\nrewrite_members = ['a.*', '!a.b']"),
        parsed(&["a.*", "!a.b"])
    );
    assert_eq!(members("[upstreams.anthropic]\nrewrite_members = []"), parsed(&[]));
    assert_eq!(members("[upstreams.anthropic]\nrewrite_links = false"), None);
    for none in ["openai", "cloudflare", "github-git"] {
        assert_eq!(members(&format!("[upstreams.{none}]")), parsed(&[]), "{none}");
    }
    for some in ["github", "gitlab", "digitalocean"] {
        assert!(!members(&format!("[upstreams.{some}]")).unwrap().is_empty(), "{some}");
    }
    assert!(
        !members(&unknown("")).unwrap().is_empty()
            && members(&unknown("preset = 'none'")) == members(&unknown(""))
    );
    assert_eq!(members(&unknown("rewrite_members = []")), parsed(&[]));
    check(
        &unknown("rewrite_members = ['next', 'a..b', 'next https://x.example', '!a /x']"),
        &[
            "upstreams.x.rewrite_members `a..b`: expected names",
            "`next https://x.example`: expected a path",
            "`!a /x`: expected nothing",
        ],
    );
}

#[test]
fn an_upstream_alone_takes_tokens_without_a_name() {
    let unnamed = |text: &str| -> Vec<UnnamedTokens> {
        native(text).check().unwrap().upstreams.iter().map(|upstream| upstream.unnamed).collect()
    };
    assert_eq!(unnamed("[upstreams.github]"), [UnnamedTokens::Accept]);
    let both = "upstream.api_root = 'https://a.example'\n[upstreams.github]";
    assert_eq!(unnamed(both), [UnnamedTokens::Accept, UnnamedTokens::Refuse]);
}

#[test]
fn the_default_api_has_its_preset() {
    let config = native("").check().unwrap();
    assert_eq!(
        (config.upstreams[0].encoded_slash, config.upstreams[0].routes.paths.len()),
        (EncodedSlash::Both, 3)
    );
    let config = native("upstream.preset = 'digitalocean'").check().unwrap();
    assert_eq!(config.upstreams[0].api_root.to_string(), "https://api.digitalocean.com");
    assert!(!config.upstream_assumed);
}

#[test]
fn upstreams_do_not_get_in_each_other_s_way() {
    check("upstream.preset = 'powerdns'", &["upstream.api_root is needed"]);
    check("[upstreams.x]", &["upstreams.x.api_root is needed"]);
    check(
        "[upstreams.'a b']\napi_root = 'https://a.example'",
        &["upstreams.a b: expected 1 to 255", "mount is needed"],
    );
    check(
        "[upstreams.github]\n[upstreams.x]\npreset = 'gitlab'\nmount = '/github/'",
        &["the mount `/github` is taken"],
    );
    // Without a name, `[upstream]` is called what its API root is: tokens of one would be tokens of the other.
    check(
        "[upstream]\napi_root = 'https://a.example'\n[upstreams.'a.example']\napi_root = 'https://b.example'",
        &["upstream: the name `a.example` is taken"],
    );
    check(
        "[upstreams.github]\nhosts = ['a']\n[upstreams.gitlab]\nhosts = ['A']",
        &["the host `a` is taken"],
    );
    check(
        "[upstreams.github]\n[upstreams.gitlab]\nname = 'github'",
        &["the name `github` is taken"],
    );
    check(
        "[upstreams.github]\nmount = 'gh'",
        &["upstreams.github.mount `gh`: expected a path that begins with `/`"],
    );
    check(
        "[upstreams.github]\npaths = { '/a' = 'b', 'c' = '/' }",
        &["upstreams.github.paths./a `b`", "upstreams.github.paths `c`"],
    );
    check("[upstreams.github]\npreset = 'gitub'", &["did you mean `github`?"]);
    check(
        "[upstreams.github]\napi_rot = 'https://a.example'",
        &["unknown key", "did you mean `api_root`?"],
    );
}

#[test]
fn what_names_no_carrier_is_a_fault_and_is_not_shown() {
    let secret = "ghp_0123456789abcdef";
    for line in [
        format!("credential = \"{secret}\""),
        format!("accept_token_in = [\"query:key\", \"{secret}\"]"),
    ] {
        let layers = native(&format!("[upstream]\n{line}\n"));
        let entries = serde_json::to_string(
            &layers.raw.entries().iter().map(|entry| &entry.value).collect::<Vec<_>>(),
        )
        .unwrap();
        let rendered = faults(layers);
        assert!(rendered.contains("expected") && rendered.contains("*******"), "{rendered}");
        assert!(!rendered.contains("ghp_") && !entries.contains("ghp_"), "{rendered} {entries}");
    }
    let variables = environment(&[("MAGICPROXY_UPSTREAM_CREDENTIAL", secret)]);
    let mut found = Vec::new();
    let layer = variables.layer(&mut found);
    let rendered = faults(Layers::only(layer));
    assert!(
        rendered.contains("MAGICPROXY_UPSTREAM_CREDENTIAL")
            && rendered.contains("when a token is minted"),
        "{rendered}"
    );
    assert!(found.is_empty() && !rendered.contains("ghp_"), "{rendered}");
    check(
        "upstream.credential = \"Bearer\"",
        &["upstream.credential: expected `bearer`", "did you mean `bearer`?"],
    );
    check("upstream.credential = \"headers:X-API-Key\"", &["did you mean `header`?"]);
    check("upstream.credential = \"header:Authorization\"", &["written with its scheme"]);
    check("upstream.credential = \"header:Cookie\"", &["cannot carry a secret"]);
    check("upstream.credential = \"basic:a:b\"", &["expected a user"]);
    check("upstream.accept_token_in = [\"bearer\"]", &["is always taken"]);
    check("upstream.accept_token_in = 7", &["upstream.accept_token_in: expected a list"]);
    check("upstream.refusal_format = \"gihub\"", &["did you mean `github`?"]);
}

#[test]
fn a_preset_knows_its_carrier_and_its_shape() {
    let config =
        native("[upstreams.gitlab]\n[upstreams.github-git]\n[upstreams.anthropic]\ncredential = \"bearer\"\n").check().unwrap();
    let told: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| (upstream.credential.to_string(), upstream.refusal_format))
        .collect();
    let expected = [
        ("bearer", anthropic::REFUSALS.shape),
        ("basic:x-access-token", PROBLEM.shape),
        ("header:private-token", gitlab::REFUSALS.shape),
    ];
    assert_eq!(told, expected.map(|(carrier, shape)| (carrier.to_owned(), shape)));
}

/// A preset that is recognised by its API root gives its name; the host is accepted besides. Whoever says a name has that one.
#[test]
fn an_upstream_has_the_name_of_its_preset() {
    #[track_caller]
    fn check(text: &str, name: &str, alias: Option<&str>) {
        let config = native(text).check().unwrap();
        let upstream = &config.upstreams[0];
        assert_eq!(
            (upstream.name.as_str(), upstream.alias.as_ref().map(|alias| alias.as_str())),
            (name, alias),
            "{text}"
        );
        assert_eq!(upstream.stored_name().as_str(), alias.unwrap_or(name));
        for name in [name].into_iter().chain(alias) {
            assert_eq!(config.upstream_named(Some(name)).unwrap().name, upstream.name);
            let bound = native(&format!(
                "{text}\n[[listeners]]\nlisten = '127.0.0.1:7'\nupstream = '{name}'"
            ))
            .check()
            .unwrap();
            assert_eq!(bound.listeners[0].upstream.as_ref(), Some(&upstream.name), "{text} {name}");
        }
    }
    check("", "github", Some("api.github.com"));
    check("upstream.api_root = 'https://api.github.com/'", "github", Some("api.github.com"));
    check("upstream.preset = 'openai'", "openai", Some("api.openai.com"));
    check(
        "upstream.api_root = 'https://api.digitalocean.com'",
        "digitalocean",
        Some("api.digitalocean.com"),
    );
    check("upstream.api_root = 'https://api.example.com:8443/v1'", "api.example.com:8443", None);
    // Another server of the same kind is not GitHub's.
    check(
        "upstream.preset = 'github'\nupstream.api_root = 'https://ghe.example/api/v3'",
        "ghe.example",
        None,
    );
    check("upstream.name = 'api'", "api", None);
    check("upstream.name = 'api.github.com'", "api.github.com", None);
    check("[upstreams.gh]\npreset = 'github'", "gh", None);
}

#[test]
fn no_two_upstreams_have_one_name() {
    for (text, name) in [
        (
            "upstream.api_root = 'https://api.github.com'\n[upstreams.github]\npreset = 'none'\napi_root = 'https://x.example'",
            "github",
        ),
        (
            "upstream.api_root = 'https://api.github.com'\n[upstreams.\"api.github.com\"]\napi_root = 'https://x.example'",
            "api.github.com",
        ),
        (
            "upstream.api_root = 'https://x.example'\n[upstreams.\"x.example\"]\napi_root = 'https://y.example'",
            "x.example",
        ),
        (
            "upstream.api_root = 'https://x.example'\n[upstreams.a]\nname = 'x.example'\napi_root = 'https://y.example'",
            "x.example",
        ),
        (
            "[upstreams.a]\nname = 'b'\napi_root = 'https://x.example'\n[upstreams.b]\napi_root = 'https://y.example'",
            "b",
        ),
    ] {
        check(text, &[&format!("the name `{name}` is taken by another upstream")]);
    }
    let renamed = "upstream.api_root = 'https://api.github.com'\nupstream.name = 'hub'\n[upstreams.github]\nmount = '/g'";
    assert!(native(renamed).check().is_ok());
}
