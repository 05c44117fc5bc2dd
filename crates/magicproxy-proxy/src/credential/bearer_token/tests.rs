use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use magicproxy_core::EncodedSlash;

use super::*;

/// What is found in these fields: the token, or the code of the refusal.
fn presented(values: &[&[u8]]) -> Result<String, &'static str> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    }
    BearerToken::from_headers(&headers, &Carriers::default())
        .map(|token| token.as_str().to_owned())
        .map_err(|rejection| rejection.code())
}

fn basic(pair: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(pair)).into_bytes()
}

#[test]
fn finds_a_token_wherever_clients_put_it() {
    let values = [
        b"Bearer a.b-c_D.1".to_vec(),
        b"bEARER a.b-c_D.1".to_vec(),
        b"token a.b-c_D.1".to_vec(),
        b"Bearer \t a.b-c_D.1  ".to_vec(),
        b"Bearer\ta.b-c_D.1".to_vec(),
        basic("user:a.b-c_D.1"),
        basic(":a.b-c_D.1"),
        basic("a.b-c_D.1:"),
        basic("a.b-c_D.1:x-oauth-basic"),
    ];
    for value in values {
        assert_eq!(
            presented(&[&value]).as_deref(),
            Ok("a.b-c_D.1"),
            "{}",
            String::from_utf8_lossy(&value)
        );
    }
}

#[test]
fn refuses_what_is_not_one_token() {
    assert_eq!(presented(&[]), Err("missing_token"));
    let values = [
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"Bearer a.b.c d".to_vec(),
        b"Bearer a.b.c, Bearer a.b.c".to_vec(),
        b"Bearer a.b.c=".to_vec(),
        b"Bearer \"a.b.c\"".to_vec(),
        b"Bearer a.b.\xe9".to_vec(),
        b"Digest a.b.c".to_vec(),
        b"Basic !".to_vec(),
        b"Basic YTpi\x09YTpi".to_vec(),
        basic("no colon"),
        basic(":"),
        basic("a:b:c"),
        basic("user:a b"),
        basic("user:\u{e9}"),
    ];
    for value in values {
        assert_eq!(
            presented(&[&value]),
            Err("invalid_token"),
            "{}",
            String::from_utf8_lossy(&value)
        );
    }
    // In two fields it is not said which of them holds.
    for second in [
        &b"Bearer a.b.d"[..],
        b"bearer a.b.c",
        b"Bearer  a.b.c",
        b"token a.b.c",
        b"",
        &basic("x:a.b.c"),
    ] {
        assert_eq!(
            presented(&[b"Bearer a.b.c", second]),
            Err("invalid_token"),
            "{}",
            String::from_utf8_lossy(second)
        );
        assert_eq!(
            presented(&[second, b"Bearer a.b.c"]),
            Err("invalid_token"),
            "{}",
            String::from_utf8_lossy(second)
        );
    }
    assert_eq!(
        presented(&[b"Bearer a.b.c", b"Bearer a.b.c", b"Bearer a.b.d"]),
        Err("invalid_token")
    );
    // The same line again says nothing else, as git-lfs sends it.
    assert_eq!(presented(&[b"Bearer a.b.c", b"Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
    assert_eq!(
        presented(&[&basic("x:a.b.c"), &basic("x:a.b.c"), &basic("x:a.b.c")]).as_deref(),
        Ok("a.b.c")
    );
    assert_eq!(presented(&[b"Digest a.b.c", b"Digest a.b.c"]), Err("invalid_token"));
}

#[test]
fn a_token_without_a_scheme_is_one_where_the_whole_field_has_its_form() {
    for (value, token) in [
        ("a.b-c_D.1", "a.b-c_D.1"),
        ("  a.b-c_D.1\t ", "a.b-c_D.1"),
        ("mt2_a.b.c", "mt2_a.b.c"),
        ("mt2_a.b.c.d.e", "mt2_a.b.c.d.e"),
        // Without its armour.
        ("mt1_az1b.cz2D.z01", "a-b.c_D.z1"),
        // To be refused with words.
        ("mt2.a.b.c", "mt2.a.b.c"),
        // A scheme of this name there is not: it is the token that it looks like.
        ("Basic.Bearer.token", "Basic.Bearer.token"),
    ] {
        assert_eq!(presented(&[value.as_bytes()]).as_deref(), Ok(token), "{value}");
    }
    let pair = STANDARD.encode("user:a.b.c");
    for value in [
        "a",
        "a.b",
        "a.b.c.d",
        "a..c",
        ".b.c",
        "a.b.",
        "mt2.a.b",
        "mt2.a..c",
        "mt2_a.b",
        "mt2_a..c",
        "mt2_a.b-d.c",
        "mt2_a.b_d.c",
        "mt2_mt1_a.b.c",
        "mt1_a.b",
        "mt1_a.b.c.d",
        "mt1_a..c",
        "mt1_.b.c",
        "mt1_a-b.c.d",
        "mt1_a_b.c.d",
        "mt1_az3.c.d",
        "mt1_a.b.cz",
        "mt1_mt1z2a.b.c",
        "mt1_mt2z2a.b.c",
        "mt3.a.b.c",
        "basic",
        "bearer",
        "token",
        "ghp_abc",
        "sk-ant-x",
        &pair,
        "a.b.c,d.e.f",
        "a.b.c=",
        "\"a.b.c\"",
        "a.b.c;",
        "a.b.c:",
        "Bearer:a.b.c",
        "Basic:a.b.c",
        "Bearer=a.b.c",
        "a.b.c a.b.c",
        "a.b.c Bearer",
        "a.b.c Bearer a.b.c",
        "Bearer Bearer a.b.c",
        "Digest a.b.c",
        "Negotiate a.b.c",
        "a.b.c d.e.f",
    ] {
        assert_eq!(presented(&[value.as_bytes()]), Err("invalid_token"), "{value}");
    }
    for values in [["a.b.c", "a.b.d"], ["a.b.c", "Bearer a.b.c"], ["Basic YTpi", "a.b.c"]] {
        assert_eq!(presented(&values.map(str::as_bytes)), Err("invalid_token"), "{values:?}");
    }
    assert_eq!(presented(&["a.b.\u{e9}".as_bytes()]), Err("invalid_token"));
}

const TOKEN: &str = "eyJ.a-b_c.D1";

/// What is found in these headers and this target, and what is left of the target.
fn found(headers: &[(&'static str, &str)], target: &str) -> (Result<String, &'static str>, String) {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(*name, value.parse().unwrap());
    }
    let carriers = Carriers::of(
        &["dd-api-key", "x-api-key", "private-token", "x-auth-key", "api-key"],
        &["api_key", "k"],
    );
    let mut target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap();
    let token = BearerToken::from_request(&fields, &mut target, &carriers);
    (
        token.map(|token| token.as_str().to_owned()).map_err(|rejection| rejection.code()),
        target.to_string(),
    )
}

#[track_caller]
fn check(headers: &[(&'static str, &str)], target: &str, expected: Result<&str, &str>) {
    assert_eq!(
        found(headers, target).0.as_deref().map_err(|code| *code),
        expected,
        "{headers:?} {target}"
    );
}

#[test]
fn finds_a_token_in_the_headers_that_the_configuration_names() {
    for name in ["private-token", "x-api-key", "dd-api-key"] {
        check(&[(name, TOKEN)], "/", Ok(TOKEN));
        for sealed in ["mt2_eyJ.abc.D1", "mt2_eyJ.abc.D1.D2.D3", "mt2.eyJ.a-b_c.D1"] {
            check(&[(name, sealed)], "/", Ok(sealed));
            check(&[(name, TOKEN), ("api-key", sealed)], "/", Err("conflicting_credentials"));
        }
        for other in [
            "mt2_eyJ.abc.",
            "mt2_eyJ..D1",
            "mt2_eyJ.D1",
            "mt2_eyJ.a-b.D1",
            "mt1_eyJ.a-b.D1",
            "mt1_eyJ.az.D1",
            "mt2.eyJ..D1",
            "mt3.eyJ.a-b_c.D1",
            "a.b",
            "a.b.c.d",
        ] {
            check(&[(name, other)], "/", Err("invalid_token"));
        }
        check(&[(name, "not-a-token")], "/", Err("invalid_token"));
        check(&[(name, "")], "/", Err("invalid_token"));
    }
    // Nobody said that one stands there.
    for name in ["x-other", "job-token", "x-auth-token"] {
        check(&[(name, TOKEN)], "/", Err("missing_token"));
    }
    check(&[("cookie", TOKEN)], "/", Err("missing_token"));
}

#[test]
fn one_token_in_two_places_is_one() {
    let bearer = format!("Bearer {TOKEN}");
    let query = format!("/?api_key={TOKEN}");
    check(
        &[("authorization", &bearer), ("x-api-key", TOKEN), ("dd-api-key", TOKEN)],
        &query,
        Ok(TOKEN),
    );
    check(&[("authorization", TOKEN), ("x-api-key", TOKEN)], &query, Ok(TOKEN));
    check(&[("authorization", TOKEN), ("x-api-key", "a.b.c")], "/", Err("conflicting_credentials"));
    check(&[("x-api-key", TOKEN), ("x-api-key", TOKEN)], "/", Ok(TOKEN));
    for other in ["eyJ.a-b_c.D2", "a.b.c"] {
        check(
            &[("authorization", &bearer), ("x-api-key", other)],
            "/",
            Err("conflicting_credentials"),
        );
        check(
            &[("x-api-key", TOKEN), ("private-token", other)],
            "/",
            Err("conflicting_credentials"),
        );
        check(&[("x-api-key", TOKEN), ("x-api-key", other)], "/", Err("conflicting_credentials"));
        check(
            &[("authorization", &bearer)],
            &format!("/?api_key={other}"),
            Err("conflicting_credentials"),
        );
        check(&[], &format!("/?api_key={other}&k={TOKEN}"), Err("conflicting_credentials"));
    }
}

/// Armour is no other token: the same one with it and without, in whatever carriers, is one, and everything behind sees the JWT.
#[test]
fn armour_is_undone_in_every_carrier() {
    let jwt = "eyJz.a-b_c.D1";
    let armoured = "mt1_eyJz0.az1bz2c.D1";
    let basic = |user: &str, password: &str| {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    };
    let carried = |text: &str| {
        [
            (vec![("authorization", format!("Bearer {text}"))], "/".to_owned()),
            (vec![("authorization", format!("token {text}"))], "/".to_owned()),
            (vec![("authorization", format!("  {text} "))], "/".to_owned()),
            (vec![("authorization", basic("x-access-token", text))], "/".to_owned()),
            (vec![("authorization", basic(text, ""))], "/".to_owned()),
            (vec![("authorization", basic(text, "x-oauth-basic"))], "/".to_owned()),
            (vec![("x-api-key", text.to_owned())], "/".to_owned()),
            (vec![("sec-websocket-protocol", format!("a, api-key.{text}"))], "/".to_owned()),
            (vec![], format!("/?k={text}")),
        ]
    };
    let sent = |headers: &[(&'static str, String)],
                more: &[(&'static str, String)],
                target: &str,
                expected| {
        let all: Vec<(&'static str, &str)> =
            headers.iter().chain(more).map(|(name, value)| (*name, value.as_str())).collect();
        check(&all, target, expected);
    };
    for (headers, target) in carried(armoured) {
        sent(&headers, &[], &target, Ok(jwt));
        // Once more, in a header of its own, in both spellings.
        for again in [armoured, jwt] {
            sent(&headers, &[("private-token", again.to_owned())], &target, Ok(jwt));
        }
        sent(
            &headers,
            &[("private-token", "mt1_eyJz0.az1bz2c.D2".to_owned())],
            &target,
            Err("conflicting_credentials"),
        );
    }
    for broken in [
        "mt1_eyJz.az1bz2c.D1",
        "mt1_eyJz0.a-bz2c.D1",
        "mt1_eyJz0.az1b_c.D1",
        "mt1_mt1z2eyJ.a.b",
        "mt1_mt2z2eyJ.a.b",
    ] {
        for (headers, target) in carried(broken) {
            sent(&headers, &[], &target, Err("invalid_token"));
        }
    }
}

#[test]
fn a_key_beside_a_token_is_nothing() {
    let bearer = format!("Bearer {TOKEN}");
    check(
        &[("authorization", &bearer), ("x-api-key", "sk-ant-api03-x"), ("x-auth-key", "")],
        "/",
        Ok(TOKEN),
    );
    check(&[("x-api-key", TOKEN), ("api-key", "a b")], "/", Ok(TOKEN));
    // `Authorization` is not for anything else, wherever the token stands besides.
    for authorization in [
        "Bearer sk-ant-x y",
        "Bearer sk-ant-x",
        "Basic dTpwIHA=",
        "sk-ant-x",
        "Digest x",
        "Bearer",
        "",
        "Basic dTpw",
    ] {
        for header in ["x-api-key", "api-key"] {
            check(
                &[("authorization", authorization), (header, TOKEN)],
                "/",
                Err("conflicting_credentials"),
            );
        }
        check(
            &[("authorization", authorization)],
            &format!("/?api_key={TOKEN}"),
            Err("conflicting_credentials"),
        );
        check(
            &[
                ("authorization", authorization),
                ("sec-websocket-protocol", &format!("a, api-key.{TOKEN}")),
            ],
            "/",
            Err("conflicting_credentials"),
        );
    }
    check(
        &[("authorization", &bearer), ("authorization", "Bearer a.b.c"), ("x-api-key", TOKEN)],
        "/",
        Err("conflicting_credentials"),
    );
    check(
        &[("authorization", &bearer), ("authorization", &bearer), ("x-api-key", TOKEN)],
        "/",
        Ok(TOKEN),
    );
}

/// What is said of two different things: each carrier by its name, the kind of thing in it, and no value.
#[test]
fn a_conflict_names_the_carriers_and_the_kinds() {
    let signed =
        format!("{}.eyJpYXQi.D1", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#));
    let foreign =
        format!("{}.eyJpc3Mi.D1", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#));
    let sealed = "mt2_eyJraWQi.abc.D1";
    let key = "something that is no magic token, such as an API's own key";
    let armoured = magicproxy_core::armoured(&signed.replace("D1", "D1a")).unwrap();
    let kinds: [(&str, &str); 5] = [
        (sealed, "a sealed magic token"),
        (&armoured, "a magic token"),
        (&signed, "a magic token"),
        (&foreign, "a JWT that is no magic token"),
        ("sk-ant-marked", key),
    ];
    let said = |authorization: &str, header: (&'static str, &str), target: &str| {
        let mut fields = HeaderMap::new();
        fields.insert(AUTHORIZATION, authorization.parse().unwrap());
        fields.append(header.0, header.1.parse().unwrap());
        let carriers = Carriers::of(&["x-api-key", "x-key"], &["k"]);
        let mut target = RequestTarget::parse(target.as_bytes(), EncodedSlash::Refuse).unwrap();
        match BearerToken::from_request(&fields, &mut target, &carriers)
            .map(|token| token.as_str().to_owned())
        {
            Err(rejection @ Rejection::Conflict(_)) => {
                // Claude Code would show none of it.
                assert!(!rejection.to_string().contains("x-api-key"), "{rejection}");
                rejection.to_string()
            }
            other => panic!(
                "{authorization} {header:?}: {:?}",
                other.map_err(|rejection| rejection.code())
            ),
        }
    };
    for (held, words) in kinds {
        for (other, others) in
            kinds.iter().filter(|(other, _)| *other != held && *other != "sk-ant-marked")
        {
            let authorization = format!("Bearer {held}");
            for (header, target, carrier) in [
                (("x-api-key", (*other).to_owned()), "/".to_owned(), "the header for API keys"),
                (("x-key", (*other).to_owned()), "/".to_owned(), "`x-key`"),
                (("accept", "*/*".to_owned()), format!("/?k={other}"), "the query parameter `k`"),
                (
                    ("sec-websocket-protocol", format!("a, API-key.{other}")),
                    "/".to_owned(),
                    "`sec-websocket-protocol`",
                ),
            ] {
                let said = said(&authorization, (header.0, &header.1), &target);
                assert!(
                    said.contains(&format!(
                        "`authorization` holds {words}, {carrier} holds {others}"
                    )),
                    "{said}"
                );
                assert!(!said.contains("marked") && !said.contains("D1"), "{said}");
            }
        }
    }
    let another = said(&format!("Bearer {sealed}"), ("x-api-key", "mt2_eyJraWQi.abc.D2"), "/");
    assert!(
        another.contains("the header for API keys holds a sealed magic token too, and another one"),
        "{another}"
    );
    for nothing in ["", "Bearer", "token ", "Basic"] {
        let said = said(nothing, ("x-api-key", sealed), "/");
        assert!(
            said.contains(
                "`authorization` holds nothing, the header for API keys holds a sealed magic token"
            ),
            "{said}"
        );
    }
}

#[test]
fn a_token_is_found_in_a_subprotocol_of_a_handshake() {
    for protocols in [
        format!("realtime, api-key.{TOKEN}"),
        format!("API-KEY.{TOKEN}"),
        format!("api-key.{TOKEN},api-key.{TOKEN} , x"),
    ] {
        check(&[("sec-websocket-protocol", &protocols)], "/", Ok(TOKEN));
        check(
            &[
                ("sec-websocket-protocol", &protocols),
                ("authorization", &format!("Bearer {TOKEN}")),
            ],
            "/",
            Ok(TOKEN),
        );
        check(
            &[("sec-websocket-protocol", &protocols), ("x-api-key", "a.b.c")],
            "/",
            Err("conflicting_credentials"),
        );
    }
    check(
        &[("sec-websocket-protocol", "a"), ("sec-websocket-protocol", &format!("api-key.{TOKEN}"))],
        "/",
        Ok(TOKEN),
    );
    check(
        &[("sec-websocket-protocol", &format!("api-key.{TOKEN}, api-key.a.b.c"))],
        "/",
        Err("conflicting_credentials"),
    );
    // A key beside a token is nothing, as in other fields.
    check(
        &[
            ("sec-websocket-protocol", "realtime, api-key.sk-x"),
            ("authorization", &format!("Bearer {TOKEN}")),
        ],
        "/",
        Ok(TOKEN),
    );
    for protocols in ["realtime, api-key.sk-x", "api-key."] {
        check(&[("sec-websocket-protocol", protocols)], "/", Err("invalid_token"));
    }
    for protocols in [
        "realtime".to_owned(),
        TOKEN.to_owned(),
        format!("api-keys.{TOKEN}"),
        format!("x api-key.{TOKEN}"),
        "api-key".to_owned(),
    ] {
        check(&[("sec-websocket-protocol", &protocols)], "/", Err("missing_token"));
    }
}

#[test]
fn a_token_in_the_query_is_taken_out() {
    for (target, left) in [
        (format!("/a?api_key={TOKEN}"), "/a"),
        (format!("/a?api%5Fkey={TOKEN}&b=1"), "/a?b=1"),
        (format!("/a?b=1&&API-key={TOKEN}&c"), "/a?b=1&&c"),
        (format!("/a?k={TOKEN}&api_key={TOKEN}"), "/a"),
        (format!("/a?x=1&k={TOKEN}&api_key=****"), "/a?x=1"),
        (format!("/a?[k]={TOKEN}"), "/a"),
    ] {
        assert_eq!(found(&[], &target), (Ok(TOKEN.to_owned()), left.to_owned()), "{target}");
    }
}

#[test]
fn a_carrier_parameter_in_two_minds_is_refused() {
    let bearer = format!("Bearer {TOKEN}");
    for query in [
        format!("api_key={TOKEN}&api_key={TOKEN}"),
        format!("api_key={TOKEN}&api%5Fkey=x"),
        format!("api_key={TOKEN}&api_key"),
        format!("api_key={TOKEN}&api+key=x"),
        format!("api_key={TOKEN}&%2561pi_key[]=x"),
        format!("api_key={TOKEN};api_key=x"),
        format!("b=1;api_key={TOKEN}"),
        format!("api_key={TOKEN};"),
    ] {
        check(&[], &format!("/?{query}"), Err("carrier_parameter"));
        check(&[("authorization", &bearer)], &format!("/?{query}"), Err("carrier_parameter"));
    }
    // No token: there is none, or beside another nobody can say what it is for.
    let shy = TOKEN.replace('.', "%2E");
    for value in
        ["", "x", "=", &format!("+{TOKEN}"), &format!("{TOKEN}+"), &format!("{TOKEN}="), &shy]
    {
        check(&[], &format!("/?api_key={value}"), Err("invalid_token"));
        check(
            &[("authorization", &bearer)],
            &format!("/?api_key={value}"),
            Err("carrier_parameter"),
        );
    }
    check(&[], &format!("/?api_key%3D{TOKEN}"), Err("invalid_token"));
    // Other names, none at all, and stars alone are no token.
    for query in [
        format!("={TOKEN}"),
        format!("apikey={TOKEN}"),
        format!("x=api_key={TOKEN}"),
        "api_key=***".to_owned(),
    ] {
        check(&[], &format!("/?{query}"), Err("missing_token"));
        check(&[("authorization", &bearer)], &format!("/?{query}"), Ok(TOKEN));
    }
}

#[test]
fn the_bytes_of_a_token_are_those_of_base64url_and_the_dot() {
    for byte in 0..=u8::MAX {
        assert_eq!(
            is_token_byte(byte),
            byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
            "{byte}"
        );
    }
}
