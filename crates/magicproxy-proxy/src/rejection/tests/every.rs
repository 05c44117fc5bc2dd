//! One rejection of every kind. A new variant does not compile before it has its sample here.

use magicproxy_core::MintError;
use magicproxy_core::state::StoreError;

use super::super::*;

macro_rules! samples {
    ($($variant:pat => $sample:expr,)*) => {
        /// One of each.
        pub(crate) fn every() -> Vec<Rejection> {
            vec![$($sample),*]
        }

        /// Has no arm for what has no sample.
        fn assert_has_sample(rejection: &Rejection) {
            match rejection {
                $($variant => {})*
            }
        }
    };
}

samples! {
    Rejection::Target(_) => Rejection::Target(ParseTargetError::TooLong),
    Rejection::Host => Rejection::Host,
    Rejection::UnknownHost => Rejection::UnknownHost,
    Rejection::Reconfigured => Rejection::Reconfigured,
    Rejection::Framing => Rejection::Framing,
    Rejection::OverrideHeader(_) => Rejection::OverrideHeader(HeaderName::from_static("x-original-url")),
    Rejection::NoToken => Rejection::NoToken,
    Rejection::TokenForm => Rejection::TokenForm,
    Rejection::Conflict(_) => Rejection::Conflict(Box::new(Conflict::sample())),
    Rejection::CarrierParameter(_) => Rejection::CarrierParameter("api_key".to_owned()),
    Rejection::Unfit(_) => Rejection::Unfit(UnfitCredential::NoPair),
    Rejection::CredentialField(_) => Rejection::CredentialField("x-key".to_owned()),
    Rejection::Token(_) => Rejection::Token(VerifyError::Malformed),
    Rejection::Revoked => Rejection::Revoked,
    Rejection::RevocationsUnknown => Rejection::RevocationsUnknown,
    Rejection::Credential(_) => Rejection::Credential(OpenError::Sealed),
    Rejection::Denied { .. } => Rejection::Denied { denial: Denial::NotAllowed, needed: Vec::new(), unmet: Box::default(), reasons: Box::default() },
    Rejection::WebSocket => Rejection::WebSocket,
    Rejection::MintingClosed => Rejection::MintingClosed,
    Rejection::MintSuspended { .. } => Rejection::MintSuspended { after: Some(Duration::from_secs(31)) },
    Rejection::MediaType => Rejection::MediaType,
    Rejection::MintRequest(_) => Rejection::MintRequest(vec![MintRequestFault::TooLarge]),
    Rejection::Caveat(_) => Rejection::Caveat("x".to_owned()),
    Rejection::Reissue(_) => Rejection::Reissue(ReissueError::Token(VerifyError::Malformed)),
    Rejection::Unmintable(_) => Rejection::Unmintable(MintError::TooLong(9)),
    Rejection::UnfitMintRequest(_) => Rejection::UnfitMintRequest(UnfitCredential::NoPair),
    Rejection::ControlMethod(_) => Rejection::ControlMethod("GET"),
    Rejection::Question(_) => Rejection::Question(QuestionFault::Headers { names: 64, bytes: 128 }),
    Rejection::NoUpstream => Rejection::NoUpstream,
    Rejection::UnknownUpstream { .. } => Rejection::UnknownUpstream { known: Vec::new() },
    Rejection::ControlPath => Rejection::ControlPath,
    Rejection::RequestTimeout => Rejection::RequestTimeout,
    Rejection::RequestBody => Rejection::RequestBody,
    Rejection::Busy => Rejection::Busy,
    Rejection::Shortage(_) => Rejection::Shortage(Shortage::Owner),
    Rejection::Store(_) => Rejection::Store(StoreError::Unavailable("away".to_owned())),
    Rejection::StoreFull(_) => Rejection::StoreFull(FullScope::Store),
    Rejection::StateNeedsMinter => Rejection::StateNeedsMinter,
    Rejection::NoStore => Rejection::NoStore,
    Rejection::NoOwnerSecret => Rejection::NoOwnerSecret,
    Rejection::Limit(..) => Rejection::Limit("total=3".parse().unwrap(), None),
    Rejection::TooManyGrants(_) => Rejection::TooManyGrants(1_000),
    Rejection::BodyForm => Rejection::BodyForm,
    Rejection::BodyTooLong(_) => Rejection::BodyTooLong(1_048_576),
    Rejection::NotOwned => Rejection::NotOwned,
    Rejection::CannotTell => Rejection::CannotTell,
    Rejection::NotRecorded => Rejection::NotRecorded,
    Rejection::Plugin(_) => Rejection::Plugin(None),
    Rejection::PluginFailed => Rejection::PluginFailed,
    Rejection::UpstreamBusy => Rejection::UpstreamBusy,
    Rejection::Connect(_) => Rejection::Connect(ConnectFailure::of_tcp(&std::io::ErrorKind::ConnectionRefused.into())),
    Rejection::Closed => Rejection::Closed,
    Rejection::Unprocessed => Rejection::Unprocessed,
    Rejection::BadResponse => Rejection::BadResponse,
    Rejection::UnaskedCoding => Rejection::UnaskedCoding,
    Rejection::Objects => Rejection::Objects,
    Rejection::UnexpectedUpgrade => Rejection::UnexpectedUpgrade,
    Rejection::ResponseTimeout => Rejection::ResponseTimeout,
    Rejection::ExchangeTimeout => Rejection::ExchangeTimeout,
    Rejection::Internal => Rejection::Internal,
}

#[test]
fn every_rejection_has_one_sample() {
    let every = every();
    every.iter().for_each(assert_has_sample);
    let kinds: std::collections::HashSet<_> = every.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), every.len(), "two samples of one kind");
}

#[test]
fn every_rejection_has_a_code_of_letters() {
    for rejection in every() {
        let code = rejection.code();
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        assert!(
            !rejection.to_string().is_empty() && !rejection.to_string().ends_with('.'),
            "{rejection}"
        );
    }
}
