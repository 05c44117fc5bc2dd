//! Each carrier's form, and what is looked for.

use super::*;

fn opened(credential: &str, carrier: &str) -> AttachedCredential {
    let credential = Credential::parse(Zeroizing::new(credential.to_owned())).unwrap();
    AttachedCredential::new(
        &credential.into(),
        &CredentialCarrier::parse(carrier).unwrap(),
        &Carriers::default(),
    )
    .unwrap()
}

#[test]
fn goes_where_its_carrier_says() {
    let cases = [
        ("bearer", "authorization", "Bearer se:cret+/"),
        ("token", "authorization", "token se:cret+/"),
        ("basic", "authorization", "Basic c2U6Y3JldCsv"),
        ("basic:x-access-token", "authorization", "Basic eC1hY2Nlc3MtdG9rZW46c2U6Y3JldCsv"),
        ("header:PRIVATE-TOKEN", "private-token", "se:cret+/"),
    ];
    for (carrier, name, value) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("the client's"));
        let opened = opened("se:cret+/", carrier);
        assert!(opened.place(&mut headers).is_none());
        assert_eq!((headers.len(), headers[name].to_str().unwrap()), (1, value), "{carrier}");
        assert!(headers[name].is_sensitive());
        assert!(!format!("{opened:?}{headers:?}").contains("cret+"), "{opened:?}{headers:?}");
    }
}

#[test]
fn goes_behind_the_query_percent_encoded() {
    let opened = opened("a-._~b%&=+/:;?#[]@!'()*,\\^`{|}\"<>$", "query:api_key");
    let mut headers = HeaderMap::new();
    let parameter = opened.place(&mut headers).unwrap();
    assert!(headers.is_empty() && !format!("{opened:?}{parameter:?}").contains("._~"));
    let encoded = "api_key=a-._~b%25%26%3D%2B%2F%3A%3B%3F%23%5B%5D%40%21%27%28%29%2A%2C%5C%5E%60%7B%7C%7D%22%3C%3E%24";
    for (target, start) in
        [("/a", "/a?"), ("/a?", "/a?"), ("/a?b", "/a?b&"), ("/a?b=c?", "/a?b=c?&")]
    {
        assert_eq!(parameter.append_to(target), format!("{start}{encoded}"));
    }
}

#[test]
fn is_looked_for_in_the_forms_that_an_upstream_saw() {
    let cases: [(&str, &str, &[&str]); 9] = [
        ("bearer", "a-long-secret", &["a-long-secret"]),
        ("basic:user", "a-long-secret", &["a-long-secret", "dXNlcjphLWxvbmctc2VjcmV0"]),
        ("basic", "user:a-long-secret", &["a-long-secret", "dXNlcjphLWxvbmctc2VjcmV0"]),
        ("basic", "a-long-secret:", &["a-long-secret", "YS1sb25nLXNlY3JldDo="]),
        ("basic", "user:short", &["user:short", "dXNlcjpzaG9ydA=="]),
        (
            "basic",
            "a-long-secret:x-oauth-basic",
            &["a-long-secret", "YS1sb25nLXNlY3JldDp4LW9hdXRoLWJhc2lj"],
        ),
        ("basic", "a-long-secret:X", &["a-long-secret", "YS1sb25nLXNlY3JldDpY"]),
        ("bearer", "a/long+secret/", &["a/long+secret/", r"a\/long+secret\/"]),
        ("query:key", "a/long/secret", &["a/long/secret", "a%2Flong%2Fsecret"]),
    ];
    for (carrier, credential, forms) in cases {
        let opened = opened(credential, carrier);
        for form in forms {
            let masked = opened.secret_mask().unwrap().masked(format!("<{form}>").as_bytes());
            assert_eq!(
                masked.unwrap(),
                format!("<{}>", "*".repeat(form.len())).into_bytes(),
                "{carrier} {form}"
            );
        }
    }
    // Too short to be told from innocent text, but not in the form in which it is sent.
    assert!(opened("a1b2c3d", "bearer").secret_mask().is_none());
    assert!(opened("a1b2c3d", "basic:user").secret_mask().is_some());
}

#[test]
fn a_credential_that_is_no_pair_does_not_go_out_as_one() {
    let credential = Credential::parse(Zeroizing::new("a-long-secret".to_owned())).unwrap();
    let refused = AttachedCredential::new(
        &credential.into(),
        &CredentialCarrier::BasicPair,
        &Carriers::default(),
    )
    .unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (401, "invalid_token"));
}
