//! A configuration that changes while clients keep their connections: no decision, credential or
//! response of an old configuration is met by a request that begins after the change.

mod flight;
mod kept;
mod limits;
mod load;

use std::sync::{Arc, LazyLock};

use magicproxy_core::{
    Acceptance, Credential, Kem, MinterKey, MinterSigningKey, PathReading, PatternMode, RuleSource,
    Scope, ScopeName, Scopes, SealedTokenSpec, TokenVersion, UnixTime, UnnamedTokens, UpstreamName,
};
use magicproxy_proxy::settings::{
    CredentialCarrier, HttpMint, MountPath, RefusalMedia, RefusalPart, RefusalShape, TokenCarrier,
    UpstreamSettings,
};

use zeroize::Zeroizing;

use crate::support::{
    CREDENTIAL, Client, NAME, OnlyUpstream as _, Proxy, Setup, Token, Upstream, guard, keys, now,
    parse, request, rules, settings,
};

/// A change of the configuration, and a request that tells old from new.
struct Case {
    name: &'static str,
    old: fn(&mut UpstreamSettings),
    new: fn(&mut UpstreamSettings),
    ask: fn() -> Vec<u8>,
    /// Status, code of a refusal, and a line of the request at the API, before and after.
    before: Expected,
    after: Expected,
}

type Expected = (u16, &'static str, &'static str);

const HELLO: Expected = (200, "", "");

static MINTERS: LazyLock<[MinterSigningKey; 2]> =
    LazyLock::new(|| [(); 2].map(|()| MinterSigningKey::generate().unwrap()));

fn unchanged(_: &mut UpstreamSettings) {}

fn scopes(all: &[(&str, &[&str])]) -> Arc<Scopes> {
    let mut scopes = Scopes::default();
    for (name, rules) in all {
        let scope: Scope = parse(rules).try_into().unwrap();
        scopes.insert(ScopeName::parse(name).unwrap(), scope);
    }
    Arc::new(scopes)
}

fn listed(minter: &MinterSigningKey) -> Acceptance {
    let minter = MinterKey::from_json(&minter.to_public_jwk().to_string()).unwrap();
    Acceptance { minters: vec![minter], ..Acceptance::default() }
}

/// A token of the first minter.
fn sealed() -> String {
    let ring = keys().current();
    let key = ring.published(UnixTime(now())).find(|key| key.kem() == Kem::X25519).unwrap();
    let spec = SealedTokenSpec {
        credential: Credential::parse(Zeroizing::new(CREDENTIAL.to_owned())).unwrap().into(),
        source: RuleSource::Rules(parse(&["* /.*"])),
        upstream: UpstreamName::parse(NAME).unwrap(),
        issued_at: UnixTime(now()),
        expires_at: UnixTime(now() + 3600),
        not_before: None,
        subject: None,
        explain: false,
        minter: Some(&MINTERS[0]),
    };
    let token = key.mint(&spec).unwrap().token;
    guard(&token);
    token.to_string()
}

/// `GET /user` with a token that holds the scope.
fn scoped() -> Vec<u8> {
    request("GET /user", &Token::scoped(&["reading"]).mint(), &[], "")
}

fn any() -> Vec<u8> {
    request("GET /user", &Token::any(), &[], "")
}

/// The proxy mints for anyone: one case, and each that closes it, tells so.
fn minting() -> Vec<u8> {
    let body = format!(r#"{{"token":"{CREDENTIAL}","allowed":["GET /user"]}}"#);
    let length = format!("Content-Length: {}", body.len());
    let lines = ["Content-Type: application/json", length.as_str()];
    request("POST /__magictoken", "", &lines, &body)
}

const SHAPED: RefusalShape =
    RefusalShape { media: RefusalMedia::Json, members: &[("error", RefusalPart::Text("shaped"))] };

/// Each kind of setting on which a cached value depends, or could be thought to depend.
fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a scope is narrowed",
            old: |own| own.scopes = scopes(&[("reading", &["GET /user", "GET /other"])]),
            new: |own| own.scopes = scopes(&[("reading", &["GET /other"])]),
            ask: scoped,
            before: HELLO,
            after: (403, "not_allowed", ""),
        },
        Case {
            name: "a scope is removed",
            old: unchanged,
            new: |own| own.scopes = scopes(&[("writing", &["POST /write"])]),
            ask: scoped,
            before: HELLO,
            after: (401, "invalid_token", ""),
        },
        Case {
            name: "the ceiling is narrowed",
            old: |own| own.ceiling = Some(rules(&["GET /.*"])),
            new: |own| own.ceiling = Some(rules(&["GET /other"])),
            ask: any,
            before: HELLO,
            after: (403, "beyond_ceiling", ""),
        },
        Case {
            name: "tokens must name their user",
            old: unchanged,
            new: |own| own.acceptance.require_sub = true,
            ask: any,
            before: HELLO,
            after: (401, "invalid_token", ""),
        },
        Case {
            name: "tokens may live less long",
            old: unchanged,
            new: |own| own.acceptance.max_lifetime = Some(60),
            ask: any,
            before: HELLO,
            after: (401, "invalid_token", ""),
        },
        Case {
            name: "tokens of version 1 are refused",
            old: unchanged,
            new: |own| own.acceptance.versions = vec![TokenVersion::V2],
            ask: any,
            before: HELLO,
            after: (401, "invalid_token", ""),
        },
        Case {
            name: "another minter is listed",
            old: |own| own.acceptance = listed(&MINTERS[0]),
            new: |own| own.acceptance = listed(&MINTERS[1]),
            ask: || request("GET /user", &sealed(), &[], ""),
            before: HELLO,
            after: (401, "invalid_token", ""),
        },
        Case {
            name: "the upstream is renamed",
            old: |own| own.unnamed = UnnamedTokens::Refuse,
            new: |own| {
                own.unnamed = UnnamedTokens::Refuse;
                own.name = UpstreamName::parse("renamed.test").unwrap();
            },
            ask: any,
            before: HELLO,
            after: (401, "wrong_upstream", ""),
        },
        Case {
            name: "an alias is given up",
            old: |own| {
                own.name = UpstreamName::parse("named.test").unwrap();
                own.alias = UpstreamName::parse(NAME);
            },
            new: |own| own.name = UpstreamName::parse("named.test").unwrap(),
            ask: any,
            before: HELLO,
            after: (401, "wrong_upstream", ""),
        },
        Case {
            name: "the upstream is mounted elsewhere",
            old: unchanged,
            new: |own| own.routes.mount = MountPath::parse("/elsewhere").unwrap(),
            ask: any,
            before: HELLO,
            after: (404, "no_upstream", ""),
        },
        Case {
            name: "the credential goes elsewhere",
            old: unchanged,
            new: |own| own.credential = CredentialCarrier::parse("header:Private-Token").unwrap(),
            ask: any,
            before: (200, "", "authorization: Bearer "),
            after: (200, "", "private-token: "),
        },
        Case {
            name: "a carrier of tokens is given up",
            old: |own| {
                own.token_carriers = vec![TokenCarrier::parse("header:X-Custom-Key").unwrap()]
            },
            new: unchanged,
            ask: || {
                let line = format!("X-Custom-Key: {}", *Token::any());
                request("GET /user", "", &[line.as_str()], "")
            },
            before: HELLO,
            after: (401, "missing_token", ""),
        },
        Case {
            name: "paths are read otherwise",
            old: |own| own.path_reading = PathReading::DecodeOnce,
            new: |own| own.path_reading = PathReading::Strict,
            ask: || request("GET /50%25%20done", &Token::any(), &[], ""),
            before: HELLO,
            after: (400, "target_encoding", ""),
        },
        Case {
            name: "refusals have another shape",
            old: unchanged,
            new: |own| own.refusal_format = SHAPED,
            ask: || request("GET /other", &Token::allowing(&["GET /user"]).mint(), &[], ""),
            before: (403, "not_allowed", ""),
            after: (403, "shaped", ""),
        },
        Case {
            name: "patterns are matched otherwise",
            old: |own| own.patterns = PatternMode::DangerPrefix,
            new: unchanged,
            ask: || request("GET /user/more", &Token::allowing(&["GET /user"]).mint(), &[], ""),
            before: HELLO,
            after: (403, "not_allowed", ""),
        },
        Case {
            name: "minting is closed",
            old: unchanged,
            new: |own| own.http_mint = HttpMint::Closed,
            ask: minting,
            before: (200, "", ""),
            after: (403, "minting_closed", ""),
        },
        Case {
            name: "a query parameter is withheld",
            old: unchanged,
            new: |own| own.drop_query_parameters = vec!["page".to_owned()],
            ask: || request("GET /user?page=2", &Token::any(), &[], ""),
            before: (200, "", "/user?page=2"),
            after: (200, "", "/user"),
        },
        Case {
            name: "a request header is withheld",
            old: unchanged,
            new: |own| own.drop_request_headers = vec![http::header::ACCEPT],
            ask: || request("GET /user", &Token::any(), &["Accept: text/html"], ""),
            before: (200, "", "accept: text/html"),
            after: (200, "", "!accept:"),
        },
    ]
}

fn with(upstream: &Upstream, change: fn(&mut UpstreamSettings)) -> Setup {
    let mut setup = settings(upstream.address, "");
    change(setup.upstream_mut());
    setup
}

/// Asks on a kept connection, and holds the answer and the request at the API against what is
/// expected.
async fn check(case: &Case, upstream: &Upstream, client: &mut Client, asked: &[u8], before: bool) {
    let (status, code, line) = if before { case.before } else { case.after };
    let told = format!("{} ({})", case.name, if before { "before" } else { "after" });
    upstream.take_requests();
    let answer = client.exchange(asked).await;
    assert_eq!(answer.status, status, "{told}: {}", answer.text());
    let seen = upstream.take_requests();
    if status == 200 {
        let lines: Vec<String> = seen
            .iter()
            .flat_map(|seen| {
                let fields = seen.fields.iter().map(|(name, value)| format!("{name}: {value}"));
                fields.chain([seen.target.clone()]).collect::<Vec<_>>()
            })
            .collect();
        match line.strip_prefix('!') {
            Some(absent) => {
                assert!(!lines.iter().any(|known| known.starts_with(absent)), "{told}: {lines:?}")
            }
            None if line.starts_with('/') => assert!(lines.contains(&line.to_owned()), "{told}"),
            None if line.is_empty() => {}
            None => assert!(lines.iter().any(|known| known.starts_with(line)), "{told}: {lines:?}"),
        }
    } else {
        assert!(seen.is_empty(), "{told}: a refused request went up");
        match code {
            "shaped" => assert_eq!(answer.json()["error"], "shaped", "{told}"),
            code => assert_eq!(answer.code(), code, "{told}"),
        }
    }
}

/// On one connection: old, new, old again, new again. The value of each configuration was cached
/// before the change, so a cache that outlived the change would show.
#[tokio::test]
async fn every_setting_holds_from_the_next_request_of_a_kept_connection_on() {
    for case in cases() {
        let upstream = Upstream::hello().await;
        let proxy = Proxy::start(with(&upstream, case.old)).await;
        let asked = (case.ask)();
        let mut client = Client::connect(&proxy).await;
        for _ in 0..2 {
            for (before, change) in [(true, case.old), (false, case.new)] {
                proxy.reconfigure(with(&upstream, change));
                for _ in 0..2 {
                    check(&case, &upstream, &mut client, &asked, before).await;
                }
                let mut other = Client::connect(&proxy).await;
                check(&case, &upstream, &mut other, &asked, before).await;
            }
        }
    }
}
