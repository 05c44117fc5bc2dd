//! Rejections: the proxy's own "no" to a client, as one type with one exhaustive match to status
//! and code.
//!
//! The body is `application/problem+json` (RFC 9457), extended by a member for API clients
//! (`message`), a stable `code` and the request id; the response also has `Proxy-Status` (RFC
//! 9209). Private causes go to the log, never into a response.

mod conflict;
#[cfg(test)]
mod documents;
mod push_report;
mod question;
mod response;
mod shape;
#[cfg(test)]
pub(crate) mod tests;
mod unmet;

use std::time::Duration;

use http::{HeaderName, StatusCode};
use magicproxy_core::limit::Limit;
use magicproxy_core::state::{FullScope, StoreError};
use magicproxy_core::{
    BindError, Denial, MintRequestFault, OpenError, ParseTargetError, ReissueError, UnmetRule,
    UpstreamName, VerifyError,
};

use crate::admission::{RETRY_AFTER, Shortage};
use crate::downstream::ReadError;
use crate::http::body::{BodyError, MAX_OBJECTS_BYTES};
use crate::http::header::OverrideField;
use crate::services::revocations::{MintSuspension, RevocationError};
use crate::settings::UnfitCredential;
use crate::transport::{AcquireError, ConnectFailure};

pub(crate) use conflict::{CarrierName, CarrierValue, Conflict};
pub(crate) use question::QuestionFault;
pub(crate) use response::{Challenge, RefusalForm};
use unmet::would_but;

/// Value of `Retry-After` where the state store has no room: rows end slowly.
const ROWS_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Reason for which the proxy refuses a request, or could not carry the request out.
///
/// Made by the parts that a request passes, from the doors to the exchange, and turned into a
/// response at the door. Not an error of the upstream's API: a response of the upstream is passed
/// down, whatever the status. The message is shown to the client, so a message names no private
/// cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error(transparent)]
    Target(#[from] ParseTargetError),
    #[error("the request has no `Host` field, several, or one that is not a host")]
    Host,
    #[error(
        "this `Host` is no name of the proxy: use an IP address, `localhost`, or a name of `public_access`, `hosts` or `allowed_hosts`"
    )]
    UnknownHost,
    #[error("the length of the request body is given in two ways")]
    Framing,
    #[error("the header field `{0}` overrides method or path and is not passed on")]
    OverrideHeader(HeaderName),
    #[error("a magic token is needed: send it as `Authorization: Bearer <token>`")]
    NoToken,
    #[error(
        "where a magic token belongs (`Authorization`, or a header or query parameter for keys) the request has nothing, or \
         something that is none, such as a file's name: expected `Authorization: Bearer <token>`"
    )]
    TokenForm,
    #[error(
        "the request bears two different secrets, and which of them counts is not guessed: {0}; send one magic token alone"
    )]
    Conflict(Box<Conflict>),
    #[error(
        "the query parameter `{0}` carries a token or the upstream's credential: it may occur once, with a magic token"
    )]
    CarrierParameter(String),
    #[error("the token does not fit this upstream: {0}")]
    Unfit(UnfitCredential),
    #[error("the token's credential is for the header `{0}`, in which this upstream takes none")]
    CredentialField(String),
    #[error(transparent)]
    Token(#[from] VerifyError),
    #[error("the token has been revoked")]
    Revoked,
    #[error(
        "whether the token has been revoked cannot be told now: the list of revocations has not been read for too long"
    )]
    RevocationsUnknown,
    #[error(transparent)]
    Credential(#[from] OpenError),
    #[error("{denial}{}{}", would_allow(.needed), would_but(.unmet))]
    Denied {
        denial: Denial,
        needed: Vec<String>,
        unmet: Box<[UnmetRule]>,
        /// For a push whose commands were read: a reason for each command.
        reasons: Box<[&'static str]>,
    },
    #[error("WebSocket is not enabled for this upstream (`websocket = true`)")]
    WebSocket,
    #[error("minting over HTTP is closed here")]
    MintingClosed,
    #[error("nothing is minted now, for it would be refused at once: {}", suspended(.after))]
    MintSuspended { after: Option<Duration> },
    #[error("the body must be JSON (`Content-Type: application/json`)")]
    MediaType,
    #[error("nothing was minted: {}", list(.0))]
    MintRequest(Vec<MintRequestFault>),
    #[error("nothing was narrowed: {0}")]
    Caveat(String),
    #[error("{0}")]
    Reissue(#[from] ReissueError),
    #[error("nothing was minted: {0}")]
    Unmintable(#[from] magicproxy_core::MintError),
    #[error("nothing was minted: token: {0}")]
    UnfitMintRequest(UnfitCredential),
    #[error("this resource does not know that method, but {0}")]
    ControlMethod(&'static str),
    #[error("this is no question about a request: {0}")]
    Question(QuestionFault),
    #[error(
        "no upstream of this proxy is found at this address: the path may lack its mount, which `GET /__magictoken` with the token tells, or begin with two slashes"
    )]
    NoUpstream,
    #[error("no upstream of this proxy has this name{}", listed(.known))]
    UnknownUpstream { known: Vec<UpstreamName> },
    #[error("there is nothing here")]
    ControlPath,
    #[error("the request body did not arrive in time")]
    RequestTimeout,
    #[error("the request body could not be read")]
    RequestBody,
    #[error("the proxy is busy with others; try again")]
    Busy,
    #[error(transparent)]
    Shortage(#[from] Shortage),
    #[error("what this token needs is kept in the proxy's state store, which is not there")]
    Store(StoreError),
    #[error("{0}")]
    StoreFull(FullScope),
    #[error(
        "the proxy keeps nothing for tokens that anyone can mint: this needs a token that one of its minters signed"
    )]
    StateNeedsMinter,
    #[error(
        "what this token needs is kept in a state store, and this proxy has none (`state.store`)"
    )]
    NoStore,
    #[error(
        "what this token's owner has is bound to its credential, and this proxy has no secret for that (`magicproxy keys generate`)"
    )]
    NoOwnerSecret,
    #[error("the token's limit of {0} is reached")]
    Limit(Limit, Option<Duration>),
    #[error("the token has made all that it may: {0} things are its own until it deletes some")]
    TooManyGrants(usize),
    #[error(
        "the body must be JSON, not encoded, without a member twice (case and `_` apart), in the form that the token's rule names"
    )]
    BodyForm,
    #[error(
        "a rule or a plugin of this token must see the body whole, and it is longer than {0} bytes"
    )]
    BodyTooLong(usize),
    #[error("this is not the token's own: it may change and delete only what it created")]
    NotOwned,
    #[error(
        "whether this exists already cannot be told: the upstream's response to that question was not understood"
    )]
    CannotTell,
    #[error(
        "the upstream did what was asked, and what came of it could not be recorded: it is not the token's own"
    )]
    NotRecorded,
    #[error("a plugin does not allow this request{}", .0.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Plugin(Option<String>),
    #[error("a plugin could not record what came of the request, which the upstream carried out")]
    PluginFailed,
    #[error(
        "every connection to the upstream that this request may use was in use for too long; try again"
    )]
    UpstreamBusy,
    #[error(transparent)]
    Connect(#[from] ConnectFailure),
    #[error("the upstream closed the connection without a response")]
    Closed,
    #[error(
        "the upstream refused the request without processing it, on one connection after another or with its body half sent; try again"
    )]
    Unprocessed,
    #[error("the upstream's response is not valid HTTP")]
    BadResponse,
    #[error(
        "the upstream's response comes in a content coding that was not asked for, in which the proxy cannot see whether it holds the credential"
    )]
    UnaskedCoding,
    #[error(
        "the upstream's list of Git LFS objects cannot be made to lead to the proxy: it broke off, is longer than {} KiB or is not the JSON of the LFS API", 
        MAX_OBJECTS_BYTES / 1024
    )]
    Objects,
    #[error(
        "the upstream switched protocols without being asked, or to a subprotocol that was not offered"
    )]
    UnexpectedUpgrade,
    #[error(
        "the configuration of the proxy was changed while the request waited to be sent; nothing of it was sent: send it again"
    )]
    Reconfigured,
    #[error("the upstream did not answer in time")]
    ResponseTimeout,
    #[error("the whole exchange took longer than the proxy's operator allows (`timeouts.total`)")]
    ExchangeTimeout,
    #[error("the proxy failed")]
    Internal,
}

/// Error types of RFC 9209 section 2.3: the proxy refuses the request, or finds a fault in the
/// request.
const DENIED: &str = "http_request_denied";
const ERROR: &str = "http_request_error";

/// Returns the status and the stable code for a resource of which there is no more.
fn status_and_code_of(shortage: &Shortage) -> (StatusCode, &'static str) {
    match shortage {
        Shortage::Owner => (StatusCode::TOO_MANY_REQUESTS, "owner_share"),
        Shortage::Peer => (StatusCode::TOO_MANY_REQUESTS, "peer_share"),
        Shortage::Total => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
    }
}

/// Returns `401` for a token that we do not know, `403` for a known token that does not allow the
/// request, and `400` for a request that cannot be judged.
fn status_of(denial: &Denial) -> StatusCode {
    match denial {
        Denial::Expired | Denial::KeyEnded | Denial::NotYetValid | Denial::WrongUpstream { .. } => {
            StatusCode::UNAUTHORIZED
        }
        Denial::WrongSender
        | Denial::NotAllowed
        | Denial::BeyondCaveat
        | Denial::BeyondCeiling
        | Denial::TooCostly => StatusCode::FORBIDDEN,
        Denial::Unknown(_) => StatusCode::BAD_REQUEST,
    }
}

impl From<Denial> for Rejection {
    /// Makes the rejection of a token that explains nothing.
    fn from(denial: Denial) -> Self {
        Self::Denied { denial, needed: Vec::new(), unmet: Box::default(), reasons: Box::default() }
    }
}

impl From<RevocationError> for Rejection {
    fn from(reason: RevocationError) -> Self {
        match reason {
            RevocationError::Revoked => Self::Revoked,
            RevocationError::Unknown => Self::RevocationsUnknown,
        }
    }
}

impl From<MintSuspension> for Rejection {
    fn from(MintSuspension { after }: MintSuspension) -> Self {
        Self::MintSuspended { after }
    }
}

impl From<OverrideField> for Rejection {
    fn from(OverrideField(name): OverrideField) -> Self {
        Self::OverrideHeader(name)
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        Self::from(&error)
    }
}

/// Refuses a request whose content ended too early: with 408 where the proxy waited for the content
/// in vain (RFC 9110 section 15.5.9).
impl From<&BodyError> for Rejection {
    fn from(error: &BodyError) -> Self {
        match error {
            BodyError::Idle => Self::RequestTimeout,
            BodyError::Token(reason) => (*reason).into(),
            BodyError::Total
            | BodyError::Connection(_)
            | BodyError::Stream(_)
            | BodyError::Truncated
            | BodyError::Reset
            | BodyError::Reflected(_)
            | BodyError::NotGzip(_) => Self::RequestBody,
        }
    }
}

impl From<ReadError> for Rejection {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLong(most) => Self::BodyTooLong(most),
            ReadError::Content(error) => error.into(),
            ReadError::Shortage(shortage) => shortage.into(),
            ReadError::Slow => Self::RequestTimeout,
        }
    }
}

impl From<AcquireError> for Rejection {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Shortage(shortage) => shortage.into(),
            AcquireError::Busy => Self::UpstreamBusy,
            AcquireError::Connect(failure) => failure.into(),
        }
    }
}

impl Rejection {
    /// Returns the status and the stable code.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Target(ParseTargetError::TooLong) => {
                (StatusCode::URI_TOO_LONG, "target_too_long")
            }
            Self::Target(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::Host => (StatusCode::BAD_REQUEST, "invalid_host"),
            Self::UnknownHost => (StatusCode::MISDIRECTED_REQUEST, "unknown_host"),
            Self::Framing => (StatusCode::BAD_REQUEST, "invalid_framing"),
            Self::OverrideHeader(_) => (StatusCode::BAD_REQUEST, "override_header"),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "missing_token"),
            Self::CarrierParameter(_) => (StatusCode::BAD_REQUEST, "carrier_parameter"),
            Self::Conflict(_) => (StatusCode::BAD_REQUEST, "conflicting_credentials"),
            Self::TokenForm | Self::Unfit(_) | Self::CredentialField(_) => {
                (StatusCode::UNAUTHORIZED, "invalid_token")
            }
            Self::Revoked => (StatusCode::UNAUTHORIZED, "revoked_token"),
            Self::Token(error) | Self::Reissue(ReissueError::Token(error)) => {
                (StatusCode::UNAUTHORIZED, error.code())
            }
            Self::Credential(_) => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::Denied { denial, .. } => (status_of(denial), denial.code()),
            Self::WebSocket => (StatusCode::FORBIDDEN, "websocket_disabled"),
            Self::MintingClosed => (StatusCode::FORBIDDEN, "minting_closed"),
            Self::MintSuspended { .. } | Self::Reissue(ReissueError::DeniedKey(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "minting_suspended")
            }
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::MintRequest(faults) if faults.contains(&MintRequestFault::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            Self::Caveat(_) | Self::Reissue(_) => (StatusCode::BAD_REQUEST, "invalid_caveat"),
            Self::MintRequest(_) | Self::Unmintable(_) | Self::UnfitMintRequest(_) => {
                (StatusCode::BAD_REQUEST, "invalid_mint_request")
            }
            Self::ControlMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Question(_) => (StatusCode::BAD_REQUEST, "invalid_explain_request"),
            Self::NoUpstream => (StatusCode::NOT_FOUND, "no_upstream"),
            Self::UnknownUpstream { .. } => (StatusCode::NOT_FOUND, "unknown_upstream"),
            Self::ControlPath => (StatusCode::NOT_FOUND, "not_found"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::RequestBody => (StatusCode::BAD_REQUEST, "request_body"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Shortage(shortage) => status_and_code_of(shortage),
            Self::Store(_) | Self::NoStore | Self::NoOwnerSecret | Self::RevocationsUnknown => {
                (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
            }
            Self::StoreFull(FullScope::Store) => (StatusCode::SERVICE_UNAVAILABLE, "store_full"),
            Self::StoreFull(FullScope::Partition) => (StatusCode::FORBIDDEN, "owner_rows"),
            Self::StoreFull(FullScope::Counters) => (StatusCode::FORBIDDEN, "too_many_limits"),
            Self::StoreFull(FullScope::Allowance) => (StatusCode::TOO_MANY_REQUESTS, "peer_rows"),
            Self::StateNeedsMinter => (StatusCode::FORBIDDEN, "unlisted_minter"),
            Self::Limit(Limit::Total(_), _) => (StatusCode::FORBIDDEN, "total_used_up"),
            Self::Limit(Limit::Requests(..), _) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Limit(Limit::Concurrent(_), _) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_at_once")
            }
            Self::TooManyGrants(_) => (StatusCode::FORBIDDEN, "too_many_grants"),
            Self::BodyForm => (StatusCode::BAD_REQUEST, "body_unreadable"),
            Self::BodyTooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::NotOwned => (StatusCode::FORBIDDEN, "not_owned"),
            Self::CannotTell => (StatusCode::BAD_GATEWAY, "existence_unknown"),
            Self::NotRecorded => (StatusCode::BAD_GATEWAY, "created_not_recorded"),
            Self::PluginFailed => (StatusCode::BAD_GATEWAY, "done_not_recorded"),
            Self::Plugin(_) => (StatusCode::FORBIDDEN, "denied_by_plugin"),
            Self::UpstreamBusy => (StatusCode::SERVICE_UNAVAILABLE, "upstream_busy"),
            Self::Connect(failure) => failure.status_and_code(),
            Self::Closed => (StatusCode::BAD_GATEWAY, "upstream_closed"),
            Self::Unprocessed => (StatusCode::SERVICE_UNAVAILABLE, "upstream_refused"),
            Self::Reconfigured => (StatusCode::SERVICE_UNAVAILABLE, "reconfigured"),
            Self::BadResponse => (StatusCode::BAD_GATEWAY, "upstream_protocol"),
            Self::UnaskedCoding => (StatusCode::BAD_GATEWAY, "upstream_coding"),
            Self::Objects => (StatusCode::BAD_GATEWAY, "upstream_objects"),
            Self::UnexpectedUpgrade => (StatusCode::BAD_GATEWAY, "upstream_upgrade"),
            Self::ResponseTimeout => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            Self::ExchangeTimeout => (StatusCode::GATEWAY_TIMEOUT, "exchange_timeout"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// Returns the error type of RFC 9209 section 2.3.
    fn error_type(&self) -> &'static str {
        match self {
            Self::Connect(failure) => failure.error_type(),
            Self::CannotTell => "http_response_incomplete",
            Self::NotRecorded | Self::PluginFailed | Self::Internal => "proxy_internal_error",
            Self::UpstreamBusy => "connection_limit_reached",
            Self::Closed | Self::Unprocessed => "connection_terminated",
            Self::BadResponse | Self::Objects => "http_protocol_error",
            Self::UnaskedCoding => "http_response_content_coding",
            Self::UnexpectedUpgrade => "http_upgrade_failed",
            Self::ResponseTimeout | Self::ExchangeTimeout => "http_response_timeout",
            Self::UnknownHost
            | Self::NoToken
            | Self::TokenForm
            | Self::Unfit(_)
            | Self::CredentialField(_)
            | Self::Revoked
            | Self::Token(_)
            | Self::Reissue(ReissueError::Token(_) | ReissueError::DeniedKey(_))
            | Self::Credential(_)
            | Self::Denied { .. }
            | Self::WebSocket
            | Self::MintingClosed
            | Self::MintSuspended { .. }
            | Self::NoUpstream
            | Self::Shortage(Shortage::Owner | Shortage::Peer)
            | Self::StoreFull(FullScope::Partition | FullScope::Counters | FullScope::Allowance)
            | Self::StateNeedsMinter
            | Self::Limit(..)
            | Self::TooManyGrants(_)
            | Self::NotOwned
            | Self::Plugin(_) => DENIED,
            Self::Target(_)
            | Self::Host
            | Self::Framing
            | Self::OverrideHeader(_)
            | Self::CarrierParameter(_)
            | Self::Conflict(_)
            | Self::MediaType
            | Self::MintRequest(_)
            | Self::Caveat(_)
            | Self::Reissue(_)
            | Self::Unmintable(_)
            | Self::UnfitMintRequest(_)
            | Self::ControlMethod(_)
            | Self::Question(_)
            | Self::UnknownUpstream { .. }
            | Self::ControlPath
            | Self::RequestTimeout
            | Self::RequestBody
            | Self::Busy
            | Self::Shortage(Shortage::Total)
            | Self::Reconfigured
            | Self::Store(_)
            | Self::NoStore
            | Self::NoOwnerSecret
            | Self::RevocationsUnknown
            | Self::StoreFull(FullScope::Store)
            | Self::BodyForm
            | Self::BodyTooLong(_) => ERROR,
        }
    }

    /// Returns the stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// Returns the error type of RFC 9209 section 2.3, where the reason lies between the proxy and
    /// the upstream.
    pub(crate) fn upstream_error(&self) -> Option<&'static str> {
        let concerned =
            self.is_upstream_s_fault() || matches!(self, Self::UpstreamBusy | Self::CannotTell);
        concerned.then(|| self.error_type())
    }

    /// True if the upstream failed, rather than the client or the proxy.
    pub(crate) fn is_upstream_s_fault(&self) -> bool {
        use Rejection::{
            BadResponse, Closed, Connect, Objects, ResponseTimeout, UnaskedCoding,
            UnexpectedUpgrade, Unprocessed,
        };
        matches!(
            self,
            Connect(_)
                | Closed
                | Unprocessed
                | BadResponse
                | Objects
                | UnaskedCoding
                | UnexpectedUpgrade
                | ResponseTimeout
        )
    }

    /// Returns the rules that would be needed, where the token says that denials are explained.
    pub(crate) fn needed(&self) -> &[String] {
        match self {
            Self::Denied { needed, .. } => needed,
            _ => &[],
        }
    }

    /// Returns the time after which a repetition may succeed.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limit(_, after) => *after,
            Self::MintSuspended { after } => *after,
            Self::Shortage(_)
            | Self::Busy
            | Self::UpstreamBusy
            | Self::Unprocessed
            | Self::Reconfigured => Some(RETRY_AFTER),
            Self::StoreFull(FullScope::Store | FullScope::Allowance) => Some(ROWS_RETRY_AFTER),
            _ => None,
        }
    }

    /// True if the state of the connection itself is in doubt, so that the connection must be
    /// closed.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::Framing | Self::Host | Self::RequestTimeout | Self::RequestBody | Self::Busy
        ) || self.status() == StatusCode::PAYLOAD_TOO_LARGE
    }
}

impl From<BindError> for Rejection {
    fn from(error: BindError) -> Self {
        match error {
            BindError::NoSecret => Self::NoOwnerSecret,
            BindError::Open(error) => Self::Credential(error),
        }
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(full) => Self::StoreFull(full),
            error => Self::Store(error),
        }
    }
}

fn suspended(after: &Option<Duration>) -> &'static str {
    match after {
        Some(_) => {
            "all tokens that are minted before a moment that is about to come are revoked (`magicproxy revoke --before`)"
        }
        None => {
            "all tokens of the active key are revoked or denied (`magicproxy keys rotate` makes another)"
        }
    }
}

fn would_allow(rules: &[String]) -> String {
    match rules {
        [] => String::new(),
        [rule] => format!("; this rule would: `{rule}`"),
        _ => format!("; these rules would, together: `{}`", rules.join("`, `")),
    }
}

fn listed(known: &[UpstreamName]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

fn list(faults: &[MintRequestFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
