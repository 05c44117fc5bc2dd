//! Who may mint, over HTTP: whatever a stranger tries where minters are listed, and what is left to others.
//!
//! How settings come from a configuration is in the binary's tests (`config::tests::minting`).

use std::sync::LazyLock;

use magicproxy_core::{
    Acceptance, Caveat, Credential, Kem, Label, MinterKey, MinterSigningKey, RuleSource,
    SealedTokenSpec, TokenVersion, UnixTime, UnnamedTokens, UpstreamName,
};
use magicproxy_proxy::settings::{Announcement, HostName, HttpMint, MountPath, RouteSettings};
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::Setup;
use crate::support::{
    CREDENTIAL, Client, ClientResponse, NAME, OnlyUpstream as _, Proxy, Token, Upstream,
    events_come, events_named, guard, keys, now, parse, settings,
};

/// The minter of `one`, and that of `two`.
static MINTERS: LazyLock<[MinterSigningKey; 2]> = LazyLock::new(|| {
    [MinterSigningKey::generate().unwrap(), MinterSigningKey::generate().unwrap()]
});

fn public(key: &MinterSigningKey) -> MinterKey {
    MinterKey::from_json(&key.to_public_jwk().to_string()).unwrap()
}

/// What one upstream accepts.
#[derive(Clone, Copy, Debug)]
struct Terms {
    lists_minter: bool,
    versions: &'static [TokenVersion],
    mint: HttpMint,
}

const V1: &[TokenVersion] = &[TokenVersion::V1];
const V2: &[TokenVersion] = &[TokenVersion::V2];
const BOTH: &[TokenVersion] = &TokenVersion::ALL;

/// `one`, found at `/one` and as `one.test`, on these terms, beside `two`, which lists another minter and takes nothing else.
async fn stage(upstream: &Upstream, terms: Terms) -> Proxy {
    let mut both = placed(upstream, "one", terms, &MINTERS[0]);
    both.minting.announce = Announcement::All;
    let two = Terms { lists_minter: true, versions: V2, mint: HttpMint::Closed };
    both.upstreams.extend(placed(upstream, "two", two, &MINTERS[1]).settings.upstreams);
    Proxy::start(both).await
}

fn placed(upstream: &Upstream, name: &str, terms: Terms, minter: &MinterSigningKey) -> Setup {
    let mut settings = settings(upstream.address, "");
    let upstream = settings.upstream_mut();
    upstream.name = UpstreamName::parse(name).unwrap();
    upstream.unnamed = UnnamedTokens::Refuse;
    upstream.routes = RouteSettings {
        mount: MountPath::parse(&format!("/{name}")).unwrap(),
        hosts: vec![HostName::parse(&format!("{name}.test")).unwrap()],
        paths: Vec::new(),
    };
    apply(upstream, terms, minter);
    settings
}

fn apply(
    upstream: &mut magicproxy_proxy::settings::UpstreamSettings,
    terms: Terms,
    minter: &MinterSigningKey,
) {
    let minters = if terms.lists_minter { vec![public(minter)] } else { Vec::new() };
    upstream.acceptance =
        Acceptance { versions: terms.versions.to_vec(), minters, ..Acceptance::default() };
    upstream.http_mint = terms.mint;
}

fn sealed(aud: &str, minter: Option<&MinterSigningKey>) -> String {
    named(aud, minter, None)
}

fn named(aud: &str, minter: Option<&MinterSigningKey>, label: Option<&str>) -> String {
    let ring = keys().current();
    let key = ring.published(UnixTime(now())).find(|key| key.kem() == Kem::X25519).unwrap();
    let minted = key.mint(&SealedTokenSpec {
        credential: Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap().into(),
        source: RuleSource::Rules(parse(&["* /.*"])),
        upstream: UpstreamName::parse(aud).unwrap(),
        issued_at: UnixTime(now()),
        expires_at: UnixTime(now() + 3600),
        not_before: None,
        subject: label.map(|label| Label::parse(label).unwrap()),
        explain: false,
        minter,
    });
    let token = minted.unwrap().token;
    guard(&token);
    token.to_string()
}

async fn ask(proxy: &Proxy, line: &str, host: &str, token: &str) -> ClientResponse {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    );
    Client::ask(proxy, head).await
}

async fn post(
    proxy: &Proxy,
    path: &str,
    host: &str,
    (token, body): (&str, serde_json::Value),
) -> ClientResponse {
    let bearer =
        if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let response = Client::ask(proxy, head).await;
    // A token, and not an explanation.
    if response.status == 200 && !response.text().starts_with('{') {
        guard(&response.text());
    }
    response
}

fn mint_request(aud: Option<&str>) -> serde_json::Value {
    let mut mint_request = json!({"token": CREDENTIAL, "allowed": ["* /.*"]});
    if let Some(aud) = aud {
        mint_request["aud"] = aud.into();
    }
    mint_request
}

/// 200, or the code of a refusal.
fn told(response: &ClientResponse) -> String {
    if response.status < 300 { "ok".to_owned() } else { response.code() }
}

/// What came of: a mint request at the mount, by the host, and at the root; a token of version 1; the same narrowed and sealed anew by
/// the proxy; one of version 2 that nobody signed, that the listed minter signed, and that the minter of the other upstream did.
async fn outcome(proxy: &Proxy) -> [String; 9] {
    let mint_requests = [
        post(proxy, "/one/__magictoken", "p.test", ("", mint_request(None))).await,
        post(proxy, "/__magictoken", "one.test", ("", mint_request(Some("one")))).await,
        post(proxy, "/__magictoken", "p.test", ("", mint_request(Some("one")))).await,
    ];
    for minted in mint_requests.iter().filter(|response| response.status == 200) {
        assert_eq!(
            ask(proxy, "GET /one/x", "p.test", &minted.text()).await.status,
            200,
            "what is minted is accepted"
        );
    }
    let signed = Token::allowing(&["* /.*"]).for_upstream(Some("one")).mint();
    let presented = ask(proxy, "DELETE /one/x", "p.test", &signed).await;
    let narrowed = post(
        proxy,
        "/one/__magictoken/narrow",
        "p.test",
        (&signed, json!({"caveat": {"sub": "x"}})),
    )
    .await;
    let resealed = post(proxy, "/one/__magictoken/reseal", "p.test", (&signed, json!({}))).await;
    // Not by way of an upstream that would take it, either.
    let elsewhere = post(
        proxy,
        "/two/__magictoken/narrow",
        "p.test",
        (&signed, json!({"caveat": {"sub": "x"}})),
    )
    .await;
    assert_ne!(elsewhere.status, 200);
    let [own, others] = &*MINTERS;
    let mut outcome = mint_requests.iter().map(told).collect::<Vec<_>>();
    outcome.extend([&presented, &narrowed, &resealed].map(told));
    for minter in [None, Some(own), Some(others)] {
        outcome.push(told(&ask(proxy, "GET /one/x", "p.test", &sealed("one", minter)).await));
    }
    // The other upstream is closed to all but its own minter, whatever the terms of this one.
    for (minter, code) in
        [(None, "invalid_token"), (Some(own), "invalid_token"), (Some(others), "ok")]
    {
        assert_eq!(told(&ask(proxy, "GET /two/x", "p.test", &sealed("two", minter)).await), code);
    }
    for path in ["/two/__magictoken", "/__magictoken"] {
        post(proxy, path, "p.test", ("", mint_request(Some("two"))))
            .await
            .assert_rejected(403, "minting_closed");
    }
    outcome.try_into().unwrap()
}

#[tokio::test]
async fn strangers_mint_nothing_where_minters_are_listed_and_the_rest_is_as_it_says() {
    let (yes, closed, no) = ("ok", "minting_closed", "invalid_token");
    let terms = |lists_minter, versions, mint| Terms { lists_minter, versions, mint };
    let table = [
        (terms(false, BOTH, HttpMint::Open), [yes, yes, yes, yes, yes, yes, yes, no, no]),
        (terms(false, V1, HttpMint::Open), [yes, yes, yes, yes, yes, yes, no, no, no]),
        (terms(false, V1, HttpMint::Closed), [closed, closed, closed, yes, yes, yes, no, no, no]),
        (terms(false, V2, HttpMint::Closed), [closed, closed, closed, no, no, no, yes, no, no]),
        (terms(true, V2, HttpMint::Closed), [closed, closed, closed, no, no, no, no, yes, no]),
        (terms(true, BOTH, HttpMint::Closed), [closed, closed, closed, yes, yes, yes, no, yes, no]),
        (terms(true, BOTH, HttpMint::Open), [yes, yes, yes, yes, yes, yes, no, yes, no]),
        (terms(true, V1, HttpMint::Closed), [closed, closed, closed, yes, yes, yes, no, no, no]),
        // What no configuration gives: the proxy does not mint what it would refuse.
        (terms(true, V2, HttpMint::Open), [closed, closed, closed, no, no, no, no, yes, no]),
    ];
    let upstream = Upstream::hello().await;
    for (terms, expected) in table {
        let proxy = stage(&upstream, terms).await;
        upstream.take_requests();
        assert_eq!(outcome(&proxy).await, expected, "{terms:?}");
        let told = ask(&proxy, "GET /one/__magictoken", "p.test", "none").await.text();
        assert_eq!(
            told.ends_with("\nminting is closed"),
            expected[0] == closed,
            "{terms:?}: {told}"
        );
        // Of the other one it is told at the root, and there is nothing about all where one is open.
        let told = ask(&proxy, "GET /__magictoken", "p.test", "none").await.text();
        let all_closed = expected[0] == closed;
        assert_eq!(told.contains("\nminting is closed"), all_closed, "{told}");
        assert_eq!(
            told.contains("/two/ for") && told.ends_with(", where minting is closed"),
            !all_closed,
            "{told}"
        );
        let about = ask(&proxy, "GET /__magictoken/upstreams/one", "p.test", "none").await.json();
        let versions: Vec<&str> = terms.versions.iter().map(|version| version.as_str()).collect();
        assert_eq!(about["accepts"]["versions"], json!(versions), "{about}");
        let listed = terms.lists_minter && terms.versions.contains(&TokenVersion::V2);
        assert_eq!(
            about["accepts"].get("minters").is_some(),
            listed || terms.versions == V1 && terms.lists_minter,
            "{about}"
        );
    }
}

/// The upstream at the root takes tokens that name none, as the Python program's; those are closed with the rest.
#[tokio::test]
async fn the_default_upstream_is_closed_as_a_named_one() {
    let upstream = Upstream::hello().await;
    for (lists_minter, versions, mint, order_code, token_code) in [
        (false, BOTH, HttpMint::Open, "ok", "ok"),
        (true, V2, HttpMint::Closed, "minting_closed", "invalid_token"),
        (true, BOTH, HttpMint::Closed, "minting_closed", "ok"),
    ] {
        let terms = Terms { lists_minter, versions, mint };
        let proxy =
            Proxy::with(&upstream, |settings| apply(settings.upstream_mut(), terms, &MINTERS[0]))
                .await;
        assert_eq!(
            told(&post(&proxy, "/__magictoken", "p.test", ("", mint_request(None))).await),
            order_code,
            "{terms:?}"
        );
        for name in [None, Some(NAME)] {
            let token = Token::any_for(name);
            assert_eq!(
                told(&ask(&proxy, "DELETE /x", "p.test", &token).await),
                token_code,
                "{terms:?} {name:?}"
            );
        }
        let first = ask(&proxy, "GET /__magictoken", "p.test", "none").await.text();
        assert!(first.starts_with("magic API proxy for http://"), "{first}");
        assert_eq!(first.ends_with("\nminting is closed"), mint == HttpMint::Closed, "{first}");
    }
}

/// The published keys say it, with what holds for at least one upstream, and with no name.
#[tokio::test]
async fn only_accepted_kems_are_published_and_taken() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::with(&upstream, |settings| {
        settings.upstream_mut().acceptance.kems = vec![Kem::XWing]
    })
    .await;
    let published = ask(&proxy, "GET /__magictoken/keys", "p.test", "none").await.json();
    let kinds: Vec<_> =
        published["keys"].as_array().unwrap().iter().map(|key| key["kty"].clone()).collect();
    assert_eq!(kinds, ["AKP"]);
    let token = sealed(NAME, None);
    let refused = ask(&proxy, "GET /x", "p.test", &token).await;
    refused.assert_rejected(401, "invalid_token");
    assert!(refused.text().contains("`x25519`"), "{}", refused.text());
    assert!(upstream.requests().is_empty());
}

/// The value of a field in the only line of the log about this path.
fn field(path: &str, name: &str) -> Option<String> {
    let lines = events_named(&[&format!("path=\"{path}\" ")]);
    assert_eq!(lines.len(), 1, "{path}: {lines:?}");
    let start = format!(" {name}=");
    let (_, rest) = lines[0].split_once(&start)?;
    Some(rest.split(' ').next().unwrap().trim_matches('"').to_owned())
}

/// Makers write what they like into `sub`, into their own place of it; who they are is not theirs to write.
#[tokio::test]
async fn a_line_says_who_made_its_token_and_not_what_it_is_called() {
    let upstream = Upstream::hello().await;
    let listing = Terms { lists_minter: true, versions: BOTH, mint: HttpMint::Open };
    let proxy = Proxy::with(&upstream, |settings| {
        apply(settings.upstream_mut(), listing, &MINTERS[0]);
        settings.upstream_mut().acceptance.minters.push(public(&MINTERS[1]));
    })
    .await;
    let open = Proxy::before(&upstream).await;
    let with = |mut mint_request: serde_json::Value, sub: &str| {
        mint_request["sub"] = sub.into();
        mint_request
    };
    let minted = post(&proxy, "/__magictoken", "p.test", ("", with(mint_request(None), "admin")))
        .await
        .text();
    let anonymous = post(&proxy, "/__magictoken", "p.test", ("", mint_request(None))).await.text();
    let narrowed = |token: String| {
        let proxy = &proxy;
        async move {
            post(
                proxy,
                "/__magictoken/narrow",
                "p.test",
                (&token, json!({"caveat": {"sub": "admin"}})),
            )
            .await
            .text()
        }
    };
    let (claimed, handed_on) = (narrowed(anonymous).await, narrowed(minted.clone()).await);
    let [one, two] = &*MINTERS;
    let append = |token: &str| {
        Caveat::from_json(br#"{"sub":"admin"}"#).unwrap().append_to(token).unwrap().to_string()
    };
    let unsigned = named(NAME, None, None);
    let table = [
        (&proxy, minted, "admin", "v1", None),
        (&proxy, claimed, "->admin", "v1", None),
        (&proxy, handed_on, "admin>admin", "v1", None),
        (&proxy, named(NAME, Some(one), Some("admin")), "admin", "v2", Some(one)),
        (&proxy, named(NAME, Some(two), Some("admin")), "admin", "v2", Some(two)),
        (&proxy, append(&named(NAME, Some(two), None)), "->admin", "v2", Some(two)),
        (&open, named(NAME, None, Some("admin")), "admin", "v2", None),
        (&open, append(&unsigned), "->admin", "v2", None),
        (&open, unsigned, "", "v2", None),
    ];
    let mut owners = Vec::new();
    for (number, (proxy, token, sub, version, minter)) in table.into_iter().enumerate() {
        guard(&token);
        let path = format!("/who-made-it/{number}");
        assert_eq!(
            ask(proxy, &format!("GET {path}"), "p.test", &token).await.status,
            200,
            "{number}"
        );
        let found = |name: &str| field(&path, name);
        assert_eq!(found("sub").unwrap_or_default(), sub, "{number}");
        assert_eq!(found("version").as_deref(), Some(version), "{number}");
        assert_eq!(found("minter"), minter.map(|key| key.id().to_string()), "{number}");
        assert_eq!(found("kid").map(|kid| kid.len()), Some(43), "{number}");
        let owner = found("owner").unwrap();
        assert!(
            owner.len() == 64 && owner.bytes().all(|digit| b"0123456789abcdef".contains(&digit)),
            "{number}: {owner}"
        );
        owners.push(owner);
    }
    // The same for what was narrowed from one token, and for nothing else.
    let distinct: std::collections::HashSet<_> = owners.iter().collect();
    assert_eq!((&owners[0], &owners[7], distinct.len()), (&owners[2], &owners[8], 7));
    // A mint request, a claim and a caveat: a label that stands for none is only a holder's.
    post(&open, "/__magictoken", "p.test", ("", with(mint_request(None), "-")))
        .await
        .assert_rejected(400, "invalid_mint_request");
}

/// All that the proxy serves at once is kept for tokens that no stranger can mint. The key that signs those of `two` signs what an
/// open mint makes for `one` as well.
#[tokio::test]
async fn what_an_open_mint_makes_for_one_upstream_is_a_strangers_at_all() {
    let upstream = Upstream::hello().await;
    let open = Terms { lists_minter: false, versions: BOTH, mint: HttpMint::Open };
    let closed = Terms { lists_minter: true, versions: BOTH, mint: HttpMint::Closed };
    for announced in [None, Some("two")] {
        let mut both = placed(&upstream, "one", open, &MINTERS[0]);
        let mut two = placed(&upstream, "two", closed, &MINTERS[1]);
        // What names no upstream is for `two`, or for none.
        two.upstream_mut().unnamed =
            if announced.is_none() { UnnamedTokens::Accept } else { UnnamedTokens::Refuse };
        both.upstreams.extend(two.settings.upstreams);
        both.limits.exchanges = magicproxy_proxy::settings::Quota {
            reserved: both.limits.exchanges.total,
            ..both.limits.exchanges
        };
        let proxy = Proxy::start(both).await;
        let bought = Token::allowing(&["* /.*"]).for_upstream(Some("one")).mint();
        for path in ["/one/x", "/two/x"] {
            ask(&proxy, &format!("GET {path}"), "p.test", &bought)
                .await
                .assert_rejected(503, "overloaded");
        }
        let known = Token::allowing(&["* /.*"]).for_upstream(announced).mint();
        for token in [known, sealed("two", Some(&MINTERS[1])).into()] {
            assert_eq!(told(&ask(&proxy, "GET /two/x", "p.test", &token).await), "ok");
        }
    }
}

/// Another letter than this part of a token begins with.
fn bent(part: &str) -> String {
    let first = if part.starts_with('a') { "b" } else { "a" };
    part.char_indices()
        .map(|(at, letter)| if at == 0 { first.to_owned() } else { letter.to_string() })
        .collect()
}

/// Who asks the control plane about a token is told in the log as who uses one: once it is verified, and not before.
#[tokio::test]
async fn the_control_plane_s_lines_say_whose_token_was_borne_and_nothing_that_was_not_verified() {
    const NAMED: &str = "control-lines";
    let upstream = Upstream::hello().await;
    let open = Terms { lists_minter: false, versions: BOTH, mint: HttpMint::Open };
    let proxy = Proxy::start(placed(&upstream, NAMED, open, &MINTERS[0])).await;
    let sealed = named(NAMED, None, Some("victim"));
    let signed = Token::allowing(&["* /.*"]).for_upstream(Some(NAMED)).mint();
    let forged = [&sealed, &signed].map(|token| {
        let (rest, last) = token.rsplit_once('.').unwrap();
        format!("{rest}.{}", bent(last))
    });
    let [forged_sealed, forged_signed] = &forged;
    let asked = [
        ("POST", "/narrow", json!({"caveat": {"sub": "x"}})),
        ("POST", "/explain", json!({"method": "GET", "target": "/x"})),
        ("POST", "/reseal", json!({})),
        ("GET", "/upstreams", json!({})),
        ("POST", "", mint_request(None)),
    ];
    let mut count = 0;
    for (token, version) in
        [(&sealed, "v2"), (&*signed, "v1"), (forged_sealed, ""), (forged_signed, "")]
    {
        guard(token);
        for (method, below, body) in &asked {
            let path = format!("/{NAMED}/__magictoken{below}");
            let response = match *method {
                "GET" => ask(&proxy, &format!("GET {path}"), "p.test", token).await,
                _ => post(&proxy, &path, "p.test", (token, body.clone())).await,
            };
            let (genuine, for_all) = (!version.is_empty(), matches!(*below, "" | "/upstreams"));
            assert_eq!(response.status == 200, genuine || for_all, "{below}: {}", response.text());
            count += 1;
            let words = [&*format!("upstream=\"{NAMED}\" "), "decision="];
            events_come(count, &words).await;
            let line = events_named(&words).pop().unwrap();
            let has = |name: &str| line.contains(&format!(" {name}="));
            for name in ["jti", "kid", "owner", "chain", "version"] {
                assert_eq!(has(name), genuine, "{below} {name}: {line}");
            }
            assert!(!genuine || line.contains(&format!(" version=\"{version}\"")), "{line}");
            assert_eq!(line.contains(" sub=\"victim\""), version == "v2", "{line}");
            assert!(!has("minter"), "{line}");
        }
    }
}
