//! What names a carrier, and what does not.

use super::*;

#[test]
fn reads_what_it_writes() {
    for text in
        ["bearer", "token", "basic", "basic:x-access-token", "header:x-api-key", "query:api_key"]
    {
        assert_eq!(CredentialCarrier::parse(text).unwrap().to_string(), text);
    }
    for text in ["header:dd-api-key", "query:key", "subprotocol:openai-insecure-api-key."] {
        assert_eq!(TokenCarrier::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(
        CredentialCarrier::parse("header:PRIVATE-TOKEN").unwrap().to_string(),
        "header:private-token"
    );
    assert_eq!(CredentialCarrier::default(), CredentialCarrier::Bearer);
}

#[test]
fn refuses_what_carries_nothing() {
    let long = format!("query:{}", "a".repeat(129));
    let cases = [
        ("", ParseCarrierError::Credential),
        ("Bearer", ParseCarrierError::Credential),
        ("bearer:", ParseCarrierError::Credential),
        ("cookie:session", ParseCarrierError::Credential),
        ("ghp_secret", ParseCarrierError::Credential),
        ("basic:", ParseCarrierError::User),
        ("basic:a:b", ParseCarrierError::User),
        ("basic:a b", ParseCarrierError::User),
        ("basic:é", ParseCarrierError::User),
        ("header:", ParseCarrierError::HeaderName),
        ("header:a b", ParseCarrierError::HeaderName),
        ("header:Authorization", ParseCarrierError::Authorization),
        ("query:", ParseCarrierError::ParameterName),
        ("query:a b", ParseCarrierError::ParameterName),
        ("query:a&b", ParseCarrierError::ParameterName),
        ("query:a[]", ParseCarrierError::ParameterName),
        ("query:é", ParseCarrierError::ParameterName),
        (&long, ParseCarrierError::ParameterName),
    ];
    for (text, error) in cases {
        assert_eq!(CredentialCarrier::parse(text), Err(error), "{text}");
        assert!(!error.to_string().contains("ghp_"));
    }
    for prefix in ["", "a b", "a,b", "a/b", "é", &"a".repeat(129)] {
        assert_eq!(
            TokenCarrier::parse(&format!("subprotocol:{prefix}")),
            Err(ParseCarrierError::Subprotocol),
            "{prefix}"
        );
    }
    assert_eq!(CredentialCarrier::parse("subprotocol:a"), Err(ParseCarrierError::Credential));
    assert_eq!(TokenCarrier::parse("bearer"), Err(ParseCarrierError::AlwaysTaken));
    assert_eq!(TokenCarrier::parse("basic:user"), Err(ParseCarrierError::Token));
}

#[test]
fn a_header_with_another_meaning_carries_no_secret() {
    let names = [
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Host",
        "Content-Length",
        "Content-Type",
        "Content-Anything",
        "Cookie",
        "Cookie2",
        "Set-Cookie",
        "X_Api_Key",
        "Expect",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "Range",
        "If-Match",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X-Real-IP",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "Sudo",
        "Impersonate-User",
        "Sec-WebSocket-Key",
        "HTTP2-Settings",
        "Date",
        "Max-Forwards",
        "Origin",
        "Referer",
        "X-Auth-Email",
    ];
    for name in names {
        assert_eq!(
            CredentialCarrier::parse(&format!("header:{name}")),
            Err(ParseCarrierError::ForbiddenHeader),
            "{name}"
        );
        assert_eq!(
            TokenCarrier::parse(&format!("header:{name}")),
            Err(ParseCarrierError::ForbiddenHeader),
            "{name}"
        );
    }
}

#[test]
fn basic_wants_a_pair() {
    let credential =
        |text: &str| Credential::parse(zeroize::Zeroizing::new(text.to_owned())).unwrap();
    let basic = CredentialCarrier::parse("basic").unwrap();
    assert_eq!(basic.check(&credential("secret")), Err(UnfitCredential::NoPair));
    for pair in ["user:password", "key:", ":password", "a:b:c"] {
        assert_eq!(basic.check(&credential(pair)), Ok(()));
    }
    assert_eq!(
        CredentialCarrier::parse("basic:user").unwrap().check(&credential("secret")),
        Ok(())
    );
}

#[test]
fn names_have_a_bounded_length() {
    for form in ["query:", "subprotocol:"] {
        let (longest, longer) =
            (format!("{form}{}", "a".repeat(128)), format!("{form}{}", "a".repeat(129)));
        assert!(
            TokenCarrier::parse(&longest).is_ok() && TokenCarrier::parse(&longer).is_err(),
            "{form}"
        );
    }
    let basic =
        |length: usize| CredentialCarrier::parse(&format!("basic:{}", "a".repeat(length))).is_ok();
    assert_eq!((basic(128), basic(129)), (true, false));
}
