//! Caps of request targets: `request-target.md`; and what is told of those that no rule allows: `rules.md` section 6.

use magicproxy_core::{
    DecisionSteps, EncodedSlash, ParseTargetError, PathReading, PathSettings, Policy, RawRule,
    RequestTarget, Rule,
};

use crate::at_most;

fn parse(text: &str) -> Result<RequestTarget, ParseTargetError> {
    RequestTarget::parse(text.as_bytes(), EncodedSlash::Refuse)
}

#[test]
fn bytes_of_a_target() {
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    at_most(4_096, "bytes of a path", |bytes| parse(&path(bytes)).is_ok());
    assert_eq!(parse(&path(4_097)), Err(ParseTargetError::TooLong));
    let target = |bytes: usize| format!("{}?{}", path(4_096), "b".repeat(bytes - 4_097));
    at_most(8_192, "bytes of a target", |bytes| parse(&target(bytes)).is_ok());
    assert_eq!(parse(&target(8_193)), Err(ParseTargetError::TooLong));
    // The path alone has its cap, however short the query is.
    assert_eq!(parse(&format!("{}?", path(4_097))), Err(ParseTargetError::TooLong));
}

/// A server that decodes until nothing changes must see no other path, and no parameter that overrides the method.
#[test]
fn layers_of_encoding() {
    let wrapped = |text: &str, layers: usize| {
        (0..layers).fold(text.to_owned(), |text, _| text.replace('%', "%25"))
    };
    let read = |text: String| {
        let settings =
            PathSettings { encoded_slash: EncodedSlash::Opaque, reading: PathReading::DecodeOnce };
        RequestTarget::parse(text.as_bytes(), settings)
    };
    at_most(9, "layers of a path", |layers| {
        read(format!("/a{}b", wrapped("%20", layers - 1))).is_ok()
    });
    let query = |layers: usize| read(format!("/a?b={}", wrapped("%41", layers - 1))).map(drop);
    at_most(7, "layers of a query", |layers| query(layers).is_ok());
    assert!((8..12).all(|layers| query(layers) == Err(ParseTargetError::MethodOverride)));
    // However often it is wrapped: hidden is refused, be it found or not looked for.
    for layers in 0..12 {
        assert!(read(format!("/a/{}/b", wrapped("%2E%2E", layers))).is_err(), "{layers}");
        assert!(read(format!("/a?{}", wrapped("%5Fmethod=PUT", layers))).is_err(), "{layers}");
    }
}

#[test]
fn bytes_of_a_path_for_which_a_rule_is_suggested() {
    let policy =
        Policy::compile(&[
            Rule::parse(RawRule::Text("GET /user".to_owned()), Default::default()).unwrap()
        ])
        .unwrap();
    at_most(512, "bytes of a path", |bytes| {
        let target = parse(&format!("/{}", "a".repeat(bytes - 1))).unwrap();
        !policy.missing("GET", &target, &DecisionSteps::new()).is_empty()
    });
}
