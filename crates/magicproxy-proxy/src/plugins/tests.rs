//! What plugins see of a request, whatever the list of fields lets pass.

use http::HeaderValue;
use magicproxy_core::{
    Acceptance, Credential, KeyRing, PatternMode, PrivateKey, RuleSource, Scopes, TokenSpec,
    UnixTime, UnnamedTokens, VerifyContext,
};
use zeroize::Zeroizing;

use super::*;

fn token() -> VerifiedToken {
    let keys = KeyRing::new(PrivateKey::generate(2048).unwrap(), Vec::new()).unwrap();
    let now = UnixTime(2_000_000_000);
    let rules = magicproxy_core::Rule::parse_list(
        &["GET /x".into()].map(magicproxy_core::RawRule::Text),
        PatternMode::Whole,
    )
    .unwrap();
    let request = TokenSpec {
        credential: Credential::parse(Zeroizing::new("a-credential".to_owned())).unwrap(),
        source: RuleSource::Rules(rules),
        upstream: Some(UpstreamName::parse("api").unwrap()),
        unnamed: UnnamedTokens::Refuse,
        issued_at: now,
        expires_at: UnixTime(now.0 + 600),
        not_before: None,
        subject: None,
        explain: false,
        limit: None,
    };
    let text = keys.mint(&request).unwrap().token;
    let (scopes, acceptance) = (Scopes::default(), Acceptance::default());
    keys.verify(
        &text,
        &VerifyContext {
            now,
            scopes: &scopes,
            patterns: PatternMode::Whole,
            acceptance: &acceptance,
        },
    )
    .unwrap()
}

/// `plugin.md`: neither fields in which an upstream's tokens stand nor those that steer are shown, though they should be sent, and
/// asked for.
#[test]
fn what_carries_a_token_and_what_steers_is_shown_to_no_plugin() {
    let carriers = Carriers::stripping(vec![HeaderName::from_static("x-key")]);
    let plugins = Plugins::new(None, UpstreamName::parse("api").unwrap(), carriers, Arc::default());
    // Of a carrier, of what steers, of both, and of neither.
    let names = [
        "x-key",
        "cookie",
        "x-forwarded-for",
        "x-http-method-override",
        "proxy-authorization",
        "x-job",
    ];
    let headers: HeaderMap = names
        .iter()
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v")))
        .collect();
    let target = RequestTarget::parse(b"/x", magicproxy_core::EncodedSlash::Refuse).unwrap();
    let inquiry = PluginInquiry {
        token: &token(),
        method: &Method::GET,
        headers: &headers,
        target: &target,
        sender: None,
        rows: &RowLimits::UNBOUNDED,
    };
    let interests =
        Interests { request_headers: names.map(str::to_owned).to_vec(), ..Interests::default() };
    let shown = plugins.request(&inquiry, &interests, None);
    assert_eq!(shown.headers, [("x-job".to_owned(), b"v".to_vec())]);
}
