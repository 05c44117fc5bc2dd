//! Fuzzes mint requests: an accepted request becomes a token that the proxy accepts, with the
//! requested rights and no more; a refusal does not repeat the credential.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{
    Acceptance, KeyRing, MintLimits, MintRequest, PatternMode, Rule, RuleSource, ScopeName, Scopes,
    TokenSpec,
};
use magicproxy_core::{RawRule, UnixTime, UnnamedTokens, UpstreamName, VerifyContext};
use magicproxy_fuzz::ring;

const NOW: UnixTime = UnixTime(1_800_000_000);
const SECRET: &str = "ghp-marked-credential";

fuzz_target!(|data: &str| {
    let scopes = scopes();
    let upstream = UpstreamName::parse("api.example").expect("this is a name");
    let limits = MintLimits {
        require_sub: false,
        work: magicproxy_core::policy::Work::unlimited(),
        upstream: &upstream,
        unnamed: UnnamedTokens::Refuse,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        default_lifetime: Duration::from_secs(86_400),
        alias: None,
        names: magicproxy_core::KnownNames::Listed,
        max_lifetime: Duration::from_secs(604_800),
    };
    let request = match MintRequest::from_json(data.as_bytes()) {
        Ok(request) => request,
        Err(faults) => {
            return faults.iter().for_each(|fault| keeps_quiet(data, &fault.to_string()));
        }
    };
    keeps_quiet(data, &format!("{request:?}"));
    match request.check(&limits, NOW) {
        Ok(request) => becomes_what_was_asked_for(ring(), &request, &scopes),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused for no reason");
            faults.iter().for_each(|fault| keeps_quiet(data, &fault.to_string()));
        }
    }
});

/// Checks that no message shows the marked credential. Looks only at inputs with the credential in
/// the right place and nowhere else.
fn keeps_quiet(request: &str, said: &str) {
    let in_place = [format!(r#""token":"{SECRET}"#), format!(r#""token": "{SECRET}"#)];
    if request.matches(SECRET).count() == 1 && in_place.iter().any(|form| request.contains(form)) {
        assert!(!said.contains(SECRET), "{said}");
    }
}

fn becomes_what_was_asked_for(ring: &KeyRing, request: &TokenSpec, scopes: &Scopes) {
    // Rules may be acceptable one by one and too much together; then no token is minted.
    let Ok(minted) = ring.mint(request) else { return };
    let acceptance = Acceptance::default();
    let context =
        VerifyContext { now: NOW, scopes, patterns: PatternMode::Whole, acceptance: &acceptance };
    let verified = ring.verify(&minted.token, &context).expect("we accept what we mint");
    assert_eq!(verified.expires_at(), request.expires_at);
    assert_eq!(verified.upstream(), request.upstream.as_ref());
    assert_eq!(verified.explains(), request.explain);
    if let RuleSource::Rules(rules) = &request.source {
        // Routes travel in the token as patterns, methods one by one.
        let asked: Vec<String> = rules.iter().flat_map(Rule::to_strings).collect();
        let held: Vec<String> = verified.policy().rules().map(ToString::to_string).collect();
        assert_eq!(asked, held);
    }
    assert!(
        !minted.token.contains(request.credential.expose())
            || request.credential.expose().len() < 8
    );
}

fn scopes() -> Scopes {
    let rules = Rule::parse_list(&[RawRule::Text("GET /user".to_owned())], PatternMode::Whole)
        .expect("this is a rule");
    let mut scopes = Scopes::default();
    scopes.insert(ScopeName::parse("me").expect("this is a name"), rules.try_into().unwrap());
    scopes
}
