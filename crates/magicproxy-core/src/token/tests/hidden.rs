//! Which member of a version 1 token holds the ciphertext: `token-v1.md` section 5.2.

use super::*;
use crate::rule::NewGrant;

/// What the Python program would not obey: `token-v1.md` section 5.2. It looks for the member `token`, and knows no other.
#[test]
fn what_the_python_program_would_ignore_is_hidden_from_it() {
    #[track_caller]
    fn check(token: &str, expected: &str) {
        let payload = crate::encoding::from_base64url(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let members: Vec<_> =
            ["token", "sealed"].into_iter().filter(|name| claims.get(name).is_some()).collect();
        assert_eq!(members, [expected], "{claims}");
        let verified = verify_in(&ring(), token);
        if verified.upstream().is_some() {
            let opened = ring().open(&permitted(&verified, "/user")).unwrap();
            assert_eq!(opened.configured().map(Credential::expose), Some("ghp_marked"));
        }
    }
    let stateful = r#"{"method":"GET","path":"/user","limit":{"total":1}}"#;
    let allowed = |rules: &str| {
        let raw: Vec<RawRule> = serde_json::from_str(rules).unwrap();
        request(RuleSource::Rules(Rule::parse_list(&raw, PatternMode::Whole).unwrap()))
    };
    let plain = || allowed(r#"["GET /user"]"#);
    let refuse = UnnamedTokens::Refuse;
    let limit = Some("total=1".parse().unwrap());
    for (request, expected) in [
        (plain(), "token"),
        (TokenSpec { upstream: None, ..plain() }, "token"),
        // Without `aud` it works at no upstream but the default one.
        (TokenSpec { upstream: None, unnamed: refuse, ..plain() }, "token"),
        (TokenSpec { unnamed: refuse, ..plain() }, "sealed"),
        (TokenSpec { not_before: Some(NOW), ..plain() }, "sealed"),
        (TokenSpec { limit, ..plain() }, "sealed"),
        (TokenSpec { limit, not_before: Some(NOW), unnamed: refuse, ..plain() }, "sealed"),
        (TokenSpec { subject: Label::parse("ci"), explain: true, ..plain() }, "token"),
        (request(RuleSource::Scopes(vec![ScopeName::parse("read").unwrap()])), "token"),
        (request(RuleSource::GuardedScopes(vec![ScopeName::parse("read").unwrap()])), "sealed"),
        (allowed(r#"[{"method":["GET","PUT"],"path":"/user"}]"#), "token"),
        (allowed(r#"["GET /user", "GET /[[:alpha:]]+"]"#), "sealed"),
        (allowed(r#"["GET /user", "GET /[^0-9[:punct:]]+"]"#), "sealed"),
        (allowed(r#"["GET /user", "GET /[a[:^digit:]]"]"#), "sealed"),
        (allowed(r#"["GET /user", "GET /[:a]+", "GET /[:]id"]"#), "token"),
        (allowed(r#"["GET /user", "GET /[a:]+", "GET /[0-9]+:"]"#), "token"),
        (allowed(&format!("[{stateful}]")), "sealed"),
        (allowed(&format!(r#"["GET /a",{stateful}]"#)), "sealed"),
    ] {
        check(&ring().mint(&request).unwrap().token, expected);
    }
}

/// Whatever is made of a token has a caveat, so it is hidden; of a narrowed one the owner is the same as before.
#[test]
fn what_is_made_of_a_token_is_hidden_as_well() {
    let member = |token: &str| {
        let payload = crate::encoding::from_base64url(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let texts = ["token", "sealed"]
            .map(|name| claims.get(name).map(|text| text.as_str().unwrap().to_owned()));
        assert!(texts[0].is_some() != texts[1].is_some(), "{claims}");
        (
            if texts[0].is_some() { "token" } else { "sealed" },
            texts.into_iter().flatten().next().unwrap(),
        )
    };
    let scopes = scopes();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let compiler = RuleCompiler::default();
    let scope = || request(RuleSource::Scopes(vec![ScopeName::parse("read").unwrap()]));
    let here = ring().mint(&scope()).unwrap().token;
    let elsewhere =
        ring().mint(&TokenSpec { unnamed: UnnamedTokens::Refuse, ..scope() }).unwrap().token;
    let grant = NewGrant::of("/a/1", &[crate::Method::parse("GET").unwrap()]);
    let rotated = {
        let pem = |pem: &str| PrivateKey::from_pem(pem).unwrap();
        let (first, second) = (
            include_str!("../../../../../testdata/keys/test-only-first.pem"),
            include_str!("../../../../../testdata/keys/test-only-second.pem"),
        );
        KeyRing::new(pem(second), vec![pem(first)]).unwrap()
    };
    for (token, before) in [(&here, "token"), (&elsewhere, "sealed")] {
        let (name, ciphertext) = member(token);
        assert_eq!(name, before);
        for caveat in [
            r#"{"sub":"a"}"#,
            r#"{"allowed":["GET /user"]}"#,
            r#"{"aud":"api"}"#,
            r#"{"nbf":1}"#,
            r#"{"exp":1790000030}"#,
        ] {
            let caveat = Caveat::from_json(caveat.as_bytes()).unwrap();
            let narrowed = ring().narrow(token, &caveat, &context, &compiler).unwrap();
            assert_eq!(member(&narrowed), ("sealed", ciphertext.clone()));
            assert_eq!(verify_in(&ring(), &narrowed).owner(), verify_in(&ring(), token).owner());
            assert_eq!(
                crate::UnverifiedToken::parse(&narrowed).unwrap().owner(),
                Some(verify_in(&ring(), token).owner())
            );
        }
        let receipt =
            ring().receipt(token, std::slice::from_ref(&grant), &context, &compiler).unwrap();
        assert_eq!(member(&receipt), ("sealed", ciphertext));
        let resealed = rotated.reseal(token, &context, &compiler).unwrap();
        // `from` is a caveat.
        assert_eq!(member(&resealed).0, "sealed");
    }
}

/// What shows a token shows its ciphertext under neither name.
#[test]
fn claims_are_shown_without_their_ciphertext() {
    let caveat = Caveat::from_json(br#"{"sub":"a"}"#).unwrap();
    let scopes = scopes();
    let context = VerifyContext {
        now: NOW,
        scopes: &scopes,
        patterns: PatternMode::Whole,
        acceptance: &Acceptance::default(),
    };
    let minted = ring()
        .mint(&request(RuleSource::Scopes(vec![ScopeName::parse("read").unwrap()])))
        .unwrap()
        .token;
    let narrowed = ring().narrow(&minted, &caveat, &context, &RuleCompiler::default()).unwrap();
    for token in [minted, narrowed] {
        let shown = crate::UnverifiedToken::parse(&token).unwrap().claims_for_display().unwrap();
        assert_eq!(
            (shown.get("token"), shown.get("sealed"), shown.get("jti").is_some()),
            (None, None, true),
            "{shown}"
        );
    }
}

/// A scope of the same name elsewhere knows nothing of the limit, nor of the plugin.
#[test]
fn a_token_of_a_guarded_scope_is_hidden() {
    let (upstream, mut scopes) = (upstream("api"), scopes());
    let counted: Vec<RawRule> =
        serde_json::from_str(r#"[{"method":"GET","path":"/user","limit":{"total":1}}]"#).unwrap();
    let counted = Rule::parse_list(&counted, PatternMode::Whole).unwrap();
    let plugin = crate::plugin::PluginName::parse("asks").unwrap();
    scopes
        .insert(ScopeName::parse("counted").unwrap(), crate::Scope::new(&counted, vec![]).unwrap());
    scopes
        .insert(ScopeName::parse("asked").unwrap(), crate::Scope::new(&[], vec![plugin]).unwrap());
    let limits = limits(&upstream, &scopes);
    for (names, is_hidden) in
        [(r#"["read"]"#, false), (r#"["read","counted"]"#, true), (r#"["asked","read"]"#, true)]
    {
        let mint_request = MintRequest::from_json(
            format!(r#"{{"token":"ghp_marked","scopes":{names}}}"#).as_bytes(),
        )
        .unwrap();
        let minted = ring().mint(&mint_request.check(&limits, NOW).unwrap()).unwrap().token;
        let payload = crate::encoding::from_base64url(minted.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            (claims.get("sealed").is_some(), claims.get("token").is_some()),
            (is_hidden, !is_hidden),
            "{names}"
        );
    }
}
