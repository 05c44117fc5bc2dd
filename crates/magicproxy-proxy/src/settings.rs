//! The settings of the engine: checked values that the binary makes from configuration, environment
//! and flags.

mod admin_token;
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
    Acceptance, EncodedSlash, PathReading, PathSettings, PatternMode, PlusReading, Policy, Scopes,
    TokenVersion, UnnamedTokens, UpstreamName,
};
use rustls_pki_types::CertificateDer;

use crate::members::Members;

pub use crate::peer::TrustedProxies;

pub use crate::field_names::FieldMeaning;
pub use admin_token::{AdminToken, ParseAdminTokenError};
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

/// Everything that a [`Server`](crate::server::Server) is configured with: plain values. A running
/// server gets other settings by a [`Reconfigurator`](crate::server::Reconfigurator).
#[derive(Debug)]
pub struct Settings {
    /// The upstreams; their names, mounts and hosts are distinct.
    pub upstreams: Vec<Arc<UpstreamSettings>>,
    /// The URL by which clients reach the proxy. If absent, the URL in each request is taken.
    pub public_access: Option<ApiRoot>,
    /// Lifetimes of minted tokens, and the announcement of upstreams.
    pub minting: MintSettings,
    /// The trusted proxies in front of this proxy, whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Limits on connections, memory and requests.
    pub limits: Limits,
    /// The treatment of requests for which the store would keep something, with tokens that anyone
    /// can mint.
    pub strangers: StrangerState,
}

impl Settings {
    /// Makes settings with these upstreams, and defaults for everything else.
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

    /// True if some upstream mints a token for any client that brings a credential.
    #[must_use]
    pub fn mints_over_http(&self) -> bool {
        self.upstreams.iter().any(|upstream| upstream.mints_over_http())
    }
}

/// The settings of one upstream: the origins of the API, the accepted tokens, the rules, and the
/// treatment of requests and responses.
#[derive(Debug)]
pub struct UpstreamSettings {
    /// The upstream's name, the `aud` of its tokens.
    pub name: UpstreamName,
    /// A second name that tokens may use, if the upstream's first name comes from its preset: host
    /// and port of the API root.
    pub alias: Option<UpstreamName>,
    /// The origin and base path of the API.
    pub api_root: ApiRoot,
    /// The HTTP version that is spoken to the upstream.
    pub protocol: UpstreamProtocol,
    /// The mount, host names and path prefixes by which clients reach the upstream.
    pub routes: RouteSettings,
    /// The treatment of tokens that name no upstream.
    pub unnamed: UnnamedTokens,
    /// The token versions and issuers that the upstream accepts, for tokens of every minter.
    pub acceptance: Acceptance,
    /// Opens or closes minting for this upstream over HTTP.
    pub http_mint: HttpMint,
    /// The scopes that tokens may name. Upstreams that match patterns alike share one table.
    pub scopes: Arc<Scopes>,
    /// The treatment of URLs in responses that lead to the upstream's origins.
    pub links: Links,
    /// The longest time until the head of a response, if this upstream differs from
    /// [`Timeouts::response`].
    pub response_timeout: Option<Duration>,
    /// The upstream's reading of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// The upstream's reading of `%25`, of `;` and of look-alikes.
    pub path_reading: PathReading,
    /// The upstream's reading of `+` in a query.
    pub query_plus: PlusReading,
    /// The way in which patterns are matched.
    pub patterns: PatternMode,
    /// Rules that no token can exceed.
    pub ceiling: Option<Policy>,
    /// Request headers that the preset lets pass, in addition to the headers that pass to every
    /// upstream.
    pub preset_request_headers: Vec<PassedHeader>,
    /// Request headers that the operator lets pass.
    pub pass_request_headers: Vec<PassedHeader>,
    /// Request headers to drop, even if they are listed to pass.
    pub drop_request_headers: Vec<HeaderName>,
    /// Response headers to drop, `Set-Cookie` for instance: a session is a credential too.
    pub drop_response_headers: Vec<HeaderName>,
    /// Query parameters to drop.
    pub drop_query_parameters: Vec<String>,
    /// Certificate authorities that are trusted in addition to the platform's roots.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The HTTP proxies through which the origins are reached, if any.
    pub outbound: Outbound,
    /// The longest body of a request that rules and plugins may look into, in bytes. Where a rule or
    /// a plugin must see a longer body, the request is refused.
    pub max_inspected_body: usize,
    /// Lets WebSocket handshakes pass. The messages that follow are not checked further.
    pub websocket: bool,
    /// The headers that tell the upstream about the client.
    pub forwarding: Forwarding,
    /// The carrier of the credential in requests to the upstream.
    pub credential: CredentialCarrier,
    /// Further places in which clients may put their tokens. The common places and the credential's
    /// own carrier are always read.
    pub token_carriers: Vec<TokenCarrier>,
    /// The shape of the proxy's refusals.
    pub refusal_format: RefusalShape,
    /// The origins whose web pages may call the upstream through the proxy.
    pub allow_origins: PageOrigins,
}

impl UpstreamSettings {
    /// The default of [`max_inspected_body`](Self::max_inspected_body), in bytes.
    pub const DEFAULT_INSPECTED_BODY: usize = 1024 * 1024;

    /// Makes an upstream with a name and an API root; everything else has its default. The upstream
    /// is mounted at the proxy's root, reached directly, has no scopes, and mints for every client.
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
            query_plus: PlusReading::Both,
            patterns: PatternMode::Whole,
            ceiling: None,
            preset_request_headers: Vec::new(),
            pass_request_headers: Vec::new(),
            drop_request_headers: Vec::new(),
            drop_response_headers: Vec::new(),
            drop_query_parameters: Vec::new(),
            extra_roots: Vec::new(),
            outbound: Outbound::Direct,
            max_inspected_body: Self::DEFAULT_INSPECTED_BODY,
            websocket: false,
            forwarding: Forwarding::None,
            credential: CredentialCarrier::default(),
            token_carriers: Vec::new(),
            refusal_format: RefusalShape::default(),
            allow_origins: PageOrigins::default(),
        }
    }

    /// True if `name` is the upstream's name or alias.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name.as_str() == name
            || self.alias.as_ref().is_some_and(|alias| alias.as_str() == name)
    }

    /// True if any client that brings a credential may have a token. Minting over HTTP makes tokens
    /// of version 1, so that the upstream must accept version 1, too.
    #[must_use]
    pub fn mints_over_http(&self) -> bool {
        self.http_mint == HttpMint::Open && self.acceptance.versions.contains(&TokenVersion::V1)
    }

    /// Returns the name under which the state store knows the upstream: the alias, if there is an
    /// alias, so that rows from before the upstream was renamed are found.
    #[must_use]
    pub fn stored_name(&self) -> &UpstreamName {
        self.alias.as_ref().unwrap_or(&self.name)
    }

    /// Iterates over the headers in which clients put tokens, and the header of the credential.
    pub(crate) fn carrier_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.token_carriers.iter().filter_map(TokenCarrier::header).chain(self.credential.header())
    }

    /// Iterates over the prefixes of items of `Sec-WebSocket-Protocol` that hold a client's key.
    pub(crate) fn carrier_subprotocols(&self) -> impl Iterator<Item = &CarrierSubprotocol> {
        self.token_carriers.iter().filter_map(|carrier| match carrier {
            TokenCarrier::Subprotocol(prefix) => Some(prefix),
            TokenCarrier::Header(_) | TokenCarrier::Query(_) => None,
        })
    }

    /// Returns the rules by which request paths are read.
    #[must_use]
    pub fn path_settings(&self) -> PathSettings {
        PathSettings { encoded_slash: self.encoded_slash, reading: self.path_reading }
    }

    /// Iterates over the origins: the API root, then the origins of further paths. An [`OriginId`]
    /// is a position in this sequence.
    pub fn origins(&self) -> impl Iterator<Item = &ApiRoot> {
        let further = self.routes.paths.iter().filter_map(|path| match &path.to {
            PathTarget::Origin(root) => Some(root),
            PathTarget::Path(_) => None,
        });
        std::iter::once(&self.api_root).chain(further)
    }
}

/// The HTTP version that is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1: a connection carries one exchange at a time.
    Http1,
    /// The version that an origin chooses by ALPN: HTTP/2 in shared connections, or HTTP/1.1.
    /// Without TLS, HTTP/1.1.
    #[default]
    Negotiated,
}

/// The treatment of URLs in responses that lead to the upstream: `docs/spec/rewriting.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Rewritten to lead to the proxy, in header fields and in these members of bodies.
    Rewrite(Arc<Members>),
    /// Kept unchanged.
    Keep,
}

impl Default for Links {
    fn default() -> Self {
        Self::Rewrite(Arc::default())
    }
}

/// The forwarding headers that the proxy sets. The client's own forwarding headers are always
/// dropped.
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

/// Decides who may request tokens for an upstream over HTTP (`POST /__magictoken`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMint {
    /// Any client that brings a credential.
    #[default]
    Open,
    /// Nobody.
    Closed,
}

/// The lifetimes of tokens that are minted over HTTP, and the announcement of upstreams.
#[derive(Clone, Copy, Debug)]
pub struct MintSettings {
    /// The lifetime of a token whose mint request names none.
    pub default_lifetime: Duration,
    /// The longest lifetime that may be requested.
    pub max_lifetime: Duration,
    /// The description of the upstreams for clients without a token.
    pub announce: Announcement,
}

/// The part of the configuration that the control plane tells clients without a token:
/// `upstreams.md` section 9.
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

/// The treatment of requests for which the store would keep something, with tokens that anyone can
/// mint: sealed tokens of no listed minter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StrangerState {
    /// Refused, because anyone can make any number of such tokens from the proxy's public key.
    #[default]
    Refuse,
    /// Carried out. The rows in the store count against the peer.
    Accept,
}

/// The time limits of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a connection to the upstream is open, TLS included.
    pub connect: Duration,
    /// In the queue for a connection to the upstream, while all connections that a request may use
    /// are busy.
    pub upstream_queue: Duration,
    /// Until the head of a request is complete, from its first byte; and until the first byte of a
    /// new connection.
    pub header: Duration,
    /// Until the head of the upstream's response, from the end of the request or from when the
    /// upstream last took some of the request's content.
    pub response: Duration,
    /// Without a byte of a request body, or without a byte taken by a slow reader on either side.
    pub body_idle: Duration,
    /// For a request body that is held for a decision, until it is whole; and again for each MiB
    /// of it that has come.
    pub inspected_body: Duration,
    /// Without a byte of a response after its head. Event streams may be silent for long.
    pub response_idle: Duration,
    /// Until an idle connection is closed, on either side. Clients' connections stay a little
    /// longer, never shorter.
    pub keep_alive: Duration,
    /// The age at which a connection to the upstream gets no more requests, less up to a tenth.
    pub upstream_connection_age: Duration,
    /// Until a client has taken a refusal, or another response of the proxy's own words, over
    /// HTTP/2.
    pub refusal: Duration,
    /// Until a WebSocket without a byte in either direction is closed.
    pub websocket_idle: Duration,
    /// For a whole exchange, from the head of the request to the end of the response or WebSocket;
    /// none by default.
    pub total: Option<Duration>,
    /// For responses in flight after SIGTERM.
    pub drain: Duration,
}

impl Timeouts {
    /// Returns the time after which a client's idle connection is closed: a quarter longer than
    /// [`Timeouts::keep_alive`], and at most 15 seconds longer. A client, or a proxy in front, that
    /// counts to the same number closes first, and so never sends a request into a connection that
    /// is being closed.
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
            inspected_body: Duration::from_secs(30),
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
