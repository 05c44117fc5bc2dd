use http::HeaderValue;

use super::*;

/// What is found in these fields: the token, or the code of the refusal.
fn presented(values: &[&[u8]]) -> Result<String, &'static str> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    }
    PresentedToken::from_headers(&headers).map(|token| token.as_str().to_owned()).map_err(|rejection| rejection.code())
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
        assert_eq!(presented(&[&value]).as_deref(), Ok("a.b-c_D.1"), "{}", String::from_utf8_lossy(&value));
    }
}

#[test]
fn refuses_what_is_not_one_token() {
    assert_eq!(presented(&[]), Err("no_token"));
    let values = [
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"a.b.c".to_vec(),
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
        assert_eq!(presented(&[&value]), Err("invalid_token"), "{}", String::from_utf8_lossy(&value));
    }
    assert_eq!(presented(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err("invalid_token"));
}
