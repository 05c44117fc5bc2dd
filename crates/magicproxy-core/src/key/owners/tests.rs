use super::*;

fn credential(json: &str) -> TypedCredential {
    TypedCredential::from_json(json.as_bytes()).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let secret = OwnerSecret::generate(UnixTime(7)).unwrap();
    let read = OwnerSecret::from_json(&secret.to_json()).unwrap();
    assert!(read.is_same(&secret) && read.created() == Some(UnixTime(7)));
    assert!(!OwnerSecret::generate(UnixTime(7)).unwrap().is_same(&secret));
    let one = credential(r#"{"secret":"a"}"#);
    assert_eq!(read.bind(&one), secret.bind(&one));
}

#[test]
fn what_is_no_secret_is_refused() {
    let good = base64url(&[7; 32]);
    assert!(OwnerSecret::from_json(&format!(r#"{{"kty":"oct","k":"{good}","other":1}}"#)).is_ok());
    for text in [
        String::new(),
        "{}".to_owned(),
        format!(r#"{{"kty":"OKP","k":"{good}"}}"#),
        format!(r#"{{"kty":"oct","alg":"HS512","k":"{good}"}}"#),
        format!(r#"{{"kty":"oct","k":"{good}","k":"{good}"}}"#),
        format!(r#"{{"kty":"oct","k":"{good}="}}"#),
        format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url(&[7; 31])),
        format!(r#"{{"kty":"oct","k":"{}"}}"#, base64url(&[7; 33])),
        r#"{"kty":"oct","k":""}"#.to_owned(),
    ] {
        assert!(OwnerSecret::from_json(&text).is_err(), "{text}");
    }
}

#[test]
fn one_secret_is_one_owner_wherever_it_goes_and_another_is_another() {
    let secret = OwnerSecret::generate(UnixTime(0)).unwrap();
    let bound = |json: &str| secret.bind(&credential(json));
    for same in
        [r#"{"bearer":"a:b"}"#, r#"{"header":["x-api-key","a:b"]}"#, r#"{"basic":["a","b"]}"#]
    {
        assert_eq!(bound(same), bound(r#"{"secret":"a:b"}"#), "{same}");
    }
    let several = r#"{"several":[{"bearer":"a"},{"header":["x-email","b"]}]}"#;
    assert_eq!(bound(several), bound(r#"{"several":[{"header":["X-Email","b"]},{"bearer":"a"}]}"#));
    let mut others = vec![
        bound(several),
        bound(r#"{"several":[{"bearer":"b"},{"header":["x-email","a"]}]}"#),
        bound(r#"{"several":[{"bearer":"a"},{"header":["x-other","b"]}]}"#),
        bound(r#"{"secret":"a"}"#),
        bound(r#"{"secret":"A"}"#),
        bound(r#"{"secret":"ab"}"#),
        bound(r#"{"bearer":"b"}"#),
        OwnerSecret::generate(UnixTime(0)).unwrap().bind(&credential(r#"{"secret":"a"}"#)),
    ];
    while let Some(one) = others.pop() {
        assert!(!others.contains(&one));
    }
}

#[test]
fn nothing_that_is_printed_shows_it() {
    let secret = OwnerSecret::from_json(&format!(
        r#"{{"kty":"oct","k":"{}"}}"#,
        base64url(b"markedmarkedmarkedmarkedmarked!!")
    ))
    .unwrap();
    let printed = format!("{secret:?} {:?}", secret.bind(&credential(r#"{"secret":"marked"}"#)));
    assert_eq!(printed, "OwnerSecret { created: None, .. } CredentialBinding(***)");
}
