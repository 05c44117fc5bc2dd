//! What goes on when one setting of an upstream changes.

use std::time::Duration;

use magicproxy_core::{
    EncodedSlash, MinterKey, MinterSigningKey, PathReading, PatternMode, PlusReading, Policy,
    RawRule, Rule, Scope, ScopeName, Scopes, TokenVersion, UnnamedTokens, UpstreamName,
};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::credential::carriers::Carriers;
use crate::settings::{
    ApiRoot, CredentialCarrier, Forwarding, HostName, HttpMint, Links, MountPath, Outbound,
    OutboundProxy, PageOrigin, PageOrigins, PassedHeader, PathMapping, PathTarget, RefusalMedia,
    RefusalShape, TokenCarrier, UpstreamProtocol, fixture,
};

/// What is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anew {
    Tokens,
    Connections,
    Both,
    Neither,
}

fn rules(rules: &[&str]) -> Vec<Rule> {
    let raw: Vec<RawRule> = rules.iter().map(|rule| RawRule::Text((*rule).to_owned())).collect();
    Rule::parse_list(&raw, PatternMode::Whole).unwrap()
}

fn scopes(all: &[(&str, &[&str])]) -> Arc<Scopes> {
    let mut scopes = Scopes::default();
    for (name, listed) in all {
        let scope: Scope = rules(listed).try_into().unwrap();
        scopes.insert(ScopeName::parse(name).unwrap(), scope);
    }
    Arc::new(scopes)
}

fn minter() -> MinterKey {
    let key = MinterSigningKey::generate().unwrap();
    MinterKey::from_json(&key.to_public_jwk().to_string()).unwrap()
}

fn name(text: &str) -> UpstreamName {
    UpstreamName::parse(text).unwrap()
}

type Change = (&'static str, fn(&mut UpstreamSettings), Anew);

/// A change of every setting, in the order of [`UpstreamSettings`], and of every part of a setting.
fn changes() -> Vec<Change> {
    use Anew::{Both, Connections, Neither, Tokens};
    vec![
        ("name", |own| own.name = name("other"), Tokens),
        ("alias", |own| own.alias = Some(name("alias")), Tokens),
        (
            "api_root",
            |own| own.api_root = ApiRoot::parse("https://api.test/v2").unwrap(),
            Connections,
        ),
        (
            "api_root: port",
            |own| own.api_root = ApiRoot::parse("https://api.example:444").unwrap(),
            Connections,
        ),
        ("protocol", |own| own.protocol = UpstreamProtocol::Http1, Connections),
        ("routes: mount", |own| own.routes.mount = MountPath::parse("/api").unwrap(), Neither),
        (
            "routes: host",
            |own| own.routes.hosts = vec![HostName::parse("a.test").unwrap()],
            Neither,
        ),
        (
            "routes: path",
            |own| {
                own.routes.paths = vec![PathMapping {
                    prefix: MountPath::parse("/v3").unwrap(),
                    to: PathTarget::Path(MountPath::default()),
                }]
            },
            Neither,
        ),
        (
            "routes: origin",
            |own| {
                own.routes.paths = vec![PathMapping {
                    prefix: MountPath::parse("/uploads").unwrap(),
                    to: PathTarget::Origin(ApiRoot::parse("https://uploads.example").unwrap()),
                }]
            },
            Connections,
        ),
        ("unnamed", |own| own.unnamed = UnnamedTokens::Accept, Tokens),
        ("acceptance: versions", |own| own.acceptance.versions = vec![TokenVersion::V2], Tokens),
        (
            "acceptance: denied keys",
            |own| own.acceptance.denied_keys = vec!["key".to_owned()],
            Tokens,
        ),
        ("acceptance: minters", |own| own.acceptance.minters = vec![minter()], Tokens),
        ("acceptance: kems", |own| own.acceptance.kems.truncate(1), Tokens),
        ("acceptance: sub", |own| own.acceptance.require_sub = true, Tokens),
        ("acceptance: life", |own| own.acceptance.max_lifetime = Some(60), Tokens),
        ("http_mint", |own| own.http_mint = HttpMint::Closed, Tokens),
        (
            "scopes: another",
            |own| own.scopes = scopes(&[("a", &["GET /a"]), ("b", &["GET /b"])]),
            Tokens,
        ),
        ("scopes: none", |own| own.scopes = Arc::default(), Tokens),
        ("scopes: narrower", |own| own.scopes = scopes(&[("a", &["GET /a/b"])]), Tokens),
        ("scopes: methods", |own| own.scopes = scopes(&[("a", &["POST /a"])]), Tokens),
        ("scopes: name", |own| own.scopes = scopes(&[("b", &["GET /a"])]), Tokens),
        ("scopes: the same again", |own| own.scopes = scopes(&[("a", &["GET /a"])]), Neither),
        ("links", |own| own.links = Links::Keep, Neither),
        ("response_timeout", |own| own.response_timeout = Some(Duration::from_secs(1)), Neither),
        ("encoded_slash", |own| own.encoded_slash = EncodedSlash::Opaque, Neither),
        ("path_reading", |own| own.path_reading = PathReading::DecodeOnce, Neither),
        ("query_plus", |own| own.query_plus = PlusReading::Blank, Neither),
        ("patterns", |own| own.patterns = PatternMode::DangerPrefix, Tokens),
        (
            "ceiling",
            |own| own.ceiling = Some(Policy::compile(&rules(&["GET /a"])).unwrap()),
            Neither,
        ),
        (
            "preset_request_headers",
            |own| own.preset_request_headers = vec![PassedHeader::parse("X-A").unwrap()],
            Neither,
        ),
        (
            "pass_request_headers",
            |own| own.pass_request_headers = vec![PassedHeader::parse("X-A").unwrap()],
            Neither,
        ),
        (
            "drop_request_headers",
            |own| own.drop_request_headers = vec![http::header::ACCEPT],
            Neither,
        ),
        (
            "drop_response_headers",
            |own| own.drop_response_headers = vec![http::header::SERVER],
            Neither,
        ),
        ("drop_query_parameters", |own| own.drop_query_parameters = vec!["a".to_owned()], Neither),
        ("extra_roots", |own| own.extra_roots = vec![CertificateDer::from(vec![1])], Connections),
        (
            "outbound",
            |own| {
                own.outbound =
                    Outbound::Fixed(Arc::new(OutboundProxy::parse("http://127.0.0.1:9").unwrap()));
            },
            Connections,
        ),
        ("max_inspected_body", |own| own.max_inspected_body = 1, Neither),
        ("websocket", |own| own.websocket = true, Neither),
        ("forwarding", |own| own.forwarding = Forwarding::Forwarded, Neither),
        (
            "credential",
            |own| own.credential = CredentialCarrier::parse("header:X-Key").unwrap(),
            Tokens,
        ),
        (
            "token_carriers",
            |own| own.token_carriers = vec![TokenCarrier::parse("query:key").unwrap()],
            Tokens,
        ),
        (
            "refusal_format",
            |own| own.refusal_format = RefusalShape { media: RefusalMedia::Json, members: &[] },
            Neither,
        ),
        (
            "allow_origins",
            |own| {
                let page = PageOrigin::parse("https://app.example").unwrap();
                own.allow_origins = PageOrigins::of(vec![page]).unwrap();
            },
            Neither,
        ),
        (
            "name and origin",
            |own| {
                own.name = name("other");
                own.api_root = ApiRoot::parse("https://api.test").unwrap();
            },
            Both,
        ),
    ]
}

/// The settings of an upstream by name. A new setting does not compile here, before somebody has
/// thought of what depends on it: a cached token (`TokenBasis`), a connection
/// (`TransportSettings`), or nothing that goes on.
macro_rules! settings {
    ($($setting:ident),* $(,)?) => {
        fn names_of_settings(own: &UpstreamSettings) -> Vec<&'static str> {
            let UpstreamSettings { $($setting: _),* } = own;
            vec![$(stringify!($setting)),*]
        }
    };
}

settings!(
    name,
    alias,
    api_root,
    protocol,
    routes,
    unnamed,
    acceptance,
    http_mint,
    scopes,
    links,
    response_timeout,
    encoded_slash,
    path_reading,
    query_plus,
    patterns,
    ceiling,
    preset_request_headers,
    pass_request_headers,
    drop_request_headers,
    drop_response_headers,
    drop_query_parameters,
    extra_roots,
    outbound,
    max_inspected_body,
    websocket,
    forwarding,
    credential,
    token_carriers,
    refusal_format,
    allow_origins,
);

fn own() -> UpstreamSettings {
    let root = ApiRoot::parse("https://api.example").unwrap();
    UpstreamSettings {
        scopes: scopes(&[("a", &["GET /a"])]),
        ..UpstreamSettings::new(name("api"), root)
    }
}

#[test]
fn each_setting_ends_what_depends_on_it_and_nothing_else() {
    for (told, change, anew) in changes() {
        let (before, mut after) = (own(), own());
        change(&mut after);
        let basis = |own: &UpstreamSettings| {
            let all = [Arc::new(UpstreamSettings::new(name("another"), own.api_root.clone()))];
            TokenBasis::of(own, &Carriers::new(own, &all))
        };
        let transport =
            |own: &UpstreamSettings| TransportSettings::of(&fixture::settings(Vec::new()), own);
        let tokens = basis(&before) != basis(&after);
        let connections = transport(&before) != transport(&after);
        let found = match (tokens, connections) {
            (true, true) => Anew::Both,
            (true, false) => Anew::Tokens,
            (false, true) => Anew::Connections,
            (false, false) => Anew::Neither,
        };
        assert_eq!(found, anew, "{told}");
    }
}

#[test]
fn every_setting_is_changed_here() {
    let own = own();
    for setting in names_of_settings(&own) {
        let is_changed = changes().iter().any(|(told, ..)| told.split(':').next() == Some(setting));
        assert!(is_changed, "`{setting}`: which of what goes on depends on it?");
    }
}
