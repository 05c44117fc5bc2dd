//! What the engine is told: checked values, made by the binary from configuration, environment and flags.

mod api_root;
mod carrier;
#[cfg(test)]
pub(crate) mod fixture;
mod limits;
mod numbers;
mod outbound;
mod page_origins;
mod passed_header;
mod refusal_shape;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use magicproxy_core::{
    Acceptance, EncodedSlash, PathReading, PathSettings, PatternMode, Policy, Scopes, TokenVersion,
    UnnamedTokens, UpstreamName,
};
use rustls_pki_types::CertificateDer;

use crate::members::Members;

pub use crate::peer::TrustedProxies;

pub use crate::field_names::Meaning;
pub use api_root::{ApiRoot, ParseApiRootError};
pub use limits::{Limits, Quota};
pub use numbers::{OriginId, UpstreamId};
pub use outbound::{
    EnvironmentProxies, NamedProxy, NoProxy, Outbound, OutboundProxy, ParseOutboundProxyError,
};
pub use page_origins::{PageOrigin, PageOrigins, ParsePageOriginError};
pub use passed_header::{ParsePassedHeaderError, PassedHeader};
pub use refusal_shape::{RefusalMedia, RefusalPart, RefusalShape, StatusWords};
pub use routes::{HostName, MountPath, ParseMountError, PathMapping, PathTarget, RouteSettings};

pub use carrier::{
    BasicUser, CarrierHeader, CarrierParameter, CarrierSubprotocol, CredentialCarrier,
    ParseCarrierError, TokenCarrier, UnfitCredential,
};

/// How a [`Server`](crate::server::Server) serves: plain values, which never change while it does.
#[derive(Debug)]
pub struct Settings {
    /// The upstreams; their names, mounts and hosts are distinct.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// The URL by which clients reach the proxy; without it, the one that a request names.
    pub public_access: Option<ApiRoot>,
    /// What minters may have.
    pub minting: MintSettings,
    /// Proxies in front of this one.
    pub trusted_proxies: TrustedProxies,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// Limits.
    pub limits: Limits,
    /// May tokens that anyone can mint have something kept there?
    pub strangers: StrangerState,
}

impl Settings {
    /// Settings of which nothing is said but the upstreams.
    #[must_use]
    pub fn new(upstreams: Vec<Arc<UpstreamSettings>>) -> Self {
        Self {
            upstreams,
            public_access: None,
            minting: MintSettings::default(),
            trusted_proxies: TrustedProxies::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            strangers: StrangerState::default(),
        }
    }

    /// May whoever brings a credential have a token for some upstream?
    #[must_use]
    pub fn mints_over_http(&self) -> bool {
        self.upstreams.iter().any(|upstream| upstream.mints_over_http())
    }
}

/// The upstream: where requests go, and how it is to be treated.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// Its name, the `aud` of its tokens.
    pub name: UpstreamName,
    /// The name that its tokens may use besides: of an upstream whose name comes from its preset, host and port of its API root.
    pub alias: Option<UpstreamName>,
    /// Its origin and base path.
    pub api_root: ApiRoot,
    /// What is spoken to it.
    pub protocol: UpstreamProtocol,
    /// Where it is found at the proxy.
    pub routes: RouteSettings,
    /// Which tokens that name no upstream it takes.
    pub unnamed: UnnamedTokens,
    /// What tokens it accepts, whoever minted them.
    pub acceptance: Acceptance,
    /// May tokens for it be requested over HTTP?
    pub http_mint: HttpMint,
    /// Scopes that its tokens may name; upstreams that match patterns alike share them.
    pub scopes: Arc<Scopes>,
    /// Are URLs of its origins turned into URLs of the proxy?
    pub links: Links,
    /// How long the head of a response may take, where that is not [`Timeouts::response`].
    pub response_timeout: Option<Duration>,
    /// What it makes of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// What it makes of `%25`, of `;` and of look-alikes.
    pub path_reading: PathReading,
    /// How patterns are matched.
    pub patterns: PatternMode,
    /// Rules that no token can exceed.
    pub ceiling: Option<Policy>,
    /// Request headers that its preset adds to those that every upstream gets.
    pub preset_request_headers: Vec<PassedHeader>,
    /// Request headers that its operator adds.
    pub pass_request_headers: Vec<PassedHeader>,
    /// Request headers to drop, whoever listed them.
    pub drop_request_headers: Vec<HeaderName>,
    /// Response headers to drop, `Set-Cookie` for instance: a session is a credential too.
    pub drop_response_headers: Vec<HeaderName>,
    /// Query parameters to drop.
    pub drop_query_parameters: Vec<String>,
    /// Trusted besides the platform's roots.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The proxies by which its origins are reached, if any.
    pub outbound: Outbound,
    /// May a WebSocket handshake pass? What flows through it is not checked further.
    pub websocket: bool,
    /// What the upstream is told about the client.
    pub forwarding: Forwarding,
    /// Where its credential goes out.
    pub credential: CredentialCarrier,
    /// Where its clients may put their tokens, besides the places that every upstream knows and the credential's own.
    pub token_carriers: Vec<TokenCarrier>,
    /// The shape of what the proxy refuses.
    pub refusal_format: RefusalShape,
    /// The origins whose pages may call it through the proxy.
    pub allow_origins: PageOrigins,
}

impl UpstreamSettings {
    /// An upstream of which nothing is said but its name and where it is: found at the proxy's root, reached directly, without
    /// scopes, minted for by everyone.
    #[must_use]
    pub fn new(name: UpstreamName, api_root: ApiRoot) -> Self {
        Self {
            name,
            alias: None,
            api_root,
            protocol: UpstreamProtocol::default(),
            routes: RouteSettings::default(),
            unnamed: UnnamedTokens::Refuse,
            acceptance: Acceptance::default(),
            http_mint: HttpMint::default(),
            scopes: Arc::default(),
            links: Links::default(),
            response_timeout: None,
            encoded_slash: EncodedSlash::Refuse,
            path_reading: PathReading::Strict,
            patterns: PatternMode::Whole,
            ceiling: None,
            preset_request_headers: Vec::new(),
            pass_request_headers: Vec::new(),
            drop_request_headers: Vec::new(),
            drop_response_headers: Vec::new(),
            drop_query_parameters: Vec::new(),
            extra_roots: Vec::new(),
            outbound: Outbound::Direct,
            websocket: false,
            forwarding: Forwarding::None,
            credential: CredentialCarrier::default(),
            token_carriers: Vec::new(),
            refusal_format: RefusalShape::default(),
            allow_origins: PageOrigins::default(),
        }
    }

    /// Is this its name, or the one that its tokens may use besides?
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.as_str() == name
            || self.alias.as_ref().is_some_and(|alias| alias.as_str() == name)
    }

    /// Are tokens whose claims name this upstream, or none, for this one?
    pub(crate) fn is_home_of(&self, named: Option<&UpstreamName>) -> bool {
        named.map_or(self.unnamed == UnnamedTokens::Accept, |named| self.is_called(named.as_str()))
    }

    /// May whoever brings a credential have a token? Tokens of version 1 are minted, so that they must be accepted, too.
    #[must_use]
    pub fn mints_over_http(&self) -> bool {
        self.http_mint == HttpMint::Open && self.acceptance.versions.contains(&TokenVersion::V1)
    }

    /// Its name in the state store: the older one, so that what was recorded before it had another stays found.
    #[must_use]
    pub fn stored_name(&self) -> &UpstreamName {
        self.alias.as_ref().unwrap_or(&self.name)
    }

    /// Headers in which its clients put tokens, and the one of its credential.
    pub(crate) fn carrier_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.token_carriers.iter().filter_map(TokenCarrier::header).chain(self.credential.header())
    }

    /// What items of `Sec-WebSocket-Protocol` begin with in which its clients put keys.
    pub(crate) fn carrier_subprotocols(&self) -> impl Iterator<Item = &CarrierSubprotocol> {
        self.token_carriers.iter().filter_map(|carrier| match carrier {
            TokenCarrier::Subprotocol(prefix) => Some(prefix),
            TokenCarrier::Header(_) | TokenCarrier::Query(_) => None,
        })
    }

    /// How it reads paths.
    #[must_use]
    pub fn path_settings(&self) -> PathSettings {
        PathSettings { encoded_slash: self.encoded_slash, reading: self.path_reading }
    }

    /// Its origins: the API root, and those of further paths. A [`Place`](crate::routing::routes::Place) names them by number.
    pub fn origins(&self) -> impl Iterator<Item = &ApiRoot> {
        let further = self.routes.paths.iter().filter_map(|path| match &path.to {
            PathTarget::Origin(root) => Some(root),
            PathTarget::Path(_) => None,
        });
        std::iter::once(&self.api_root).chain(further)
    }
}

/// What is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1, in a connection for each exchange.
    Http1,
    /// What an origin chooses by ALPN, HTTP/2 in shared connections or HTTP/1.1; without TLS, HTTP/1.1.
    #[default]
    Negotiated,
}

/// What becomes of URLs in responses that lead to the upstream: `docs/spec/rewriting.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// They are made to lead to the proxy in header fields, and in these members of bodies.
    Rewrite(Arc<Members>),
    /// They stay as they are.
    Keep,
}

impl Default for Links {
    fn default() -> Self {
        Self::Rewrite(Arc::default())
    }
}

/// Forwarding headers that the proxy sets itself; the client's own are always dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// None: the upstream learns nothing about the client.
    #[default]
    None,
    /// `Forwarded` (RFC 7239) and `Via` (RFC 9110 section 7.6.3).
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `Via`.
    XForwarded,
}

/// May tokens for an upstream be requested over HTTP (`POST /__magictoken`)?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMint {
    /// By whoever brings a credential.
    #[default]
    Open,
    /// By nobody.
    Closed,
}

/// For how long tokens are minted over HTTP, and what is told of them.
#[derive(Clone, Copy, Debug)]
pub struct MintSettings {
    /// The lifetime of a token whose mint request names none.
    pub default_lifetime: Duration,
    /// The longest lifetime that may be requested.
    pub max_lifetime: Duration,
    /// What clients without a token are told.
    pub announce: Announcement,
}

/// What the control plane tells clients without a token about upstreams: `upstreams.md` section 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Announcement {
    /// The API at the root of the proxy, in the Python program's words, and nothing else.
    #[default]
    Root,
    /// All upstreams with their names, mounts and API roots, and the names of scopes.
    All,
}

impl Default for MintSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { default_lifetime: day, max_lifetime: 366 * day, announce: Announcement::default() }
    }
}

/// What becomes of requests for which the store would keep something, with tokens that anyone can mint: sealed ones of no listed
/// minter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StrangerState {
    /// They are refused: nothing but the proxy's public key is needed to make such tokens, any number of them.
    #[default]
    Refuse,
    /// They are carried out, and what is kept for them counts against their peer.
    Accept,
}

/// How long the engine waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection to the upstream, TLS included.
    pub connect: Duration,
    /// In the queue for a connection to the upstream, where all that a request may use are in use.
    pub upstream_queue: Duration,
    /// For the head of a request, from its first byte, and for the first byte of a new connection.
    pub header: Duration,
    /// For the head of the upstream's response, from the end of the request, or from when the upstream last took some of its content.
    pub response: Duration,
    /// Without a byte of a request body, or a byte taken by a slow reader on either side.
    pub body_idle: Duration,
    /// Without a byte of a response whose head has come. Event streams may be silent for long.
    pub response_idle: Duration,
    /// A connection without a request, on either side; clients' connections stay a little longer, and never shorter.
    pub keep_alive: Duration,
    /// A connection to the upstream gets no new request once it is this old, or up to a tenth younger.
    pub upstream_connection_age: Duration,
    /// For a client to take a refusal, or another response of the proxy's own words, over HTTP/2.
    pub refusal: Duration,
    /// A WebSocket without a byte in either direction.
    pub websocket_idle: Duration,
    /// A whole exchange, from the head of its request to the end of its response or of its WebSocket; none by default.
    pub total: Option<Duration>,
    /// For answers in flight after SIGTERM.
    pub drain: Duration,
}

impl Timeouts {
    /// How long a client's connection may be without a request: a quarter longer than [`Timeouts::keep_alive`], and at most 15
    /// seconds longer. A client, or a proxy in front, that counts to the same number closes first, and so never sends a request
    /// into a connection that is being closed.
    pub(crate) fn client_keep_alive(&self) -> Duration {
        self.keep_alive + (self.keep_alive / 4).min(Duration::from_secs(15))
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            upstream_queue: Duration::from_secs(10),
            header: Duration::from_secs(10),
            response: Duration::from_secs(25),
            body_idle: Duration::from_secs(60),
            response_idle: Duration::from_secs(300),
            keep_alive: Duration::from_secs(60),
            upstream_connection_age: Duration::from_secs(180),
            refusal: Duration::from_secs(5),
            websocket_idle: Duration::from_secs(300),
            total: None,
            drain: Duration::from_secs(30),
        }
    }
}
