//! Settings for unit tests.

use std::sync::Arc;

use magicproxy_core::{Acceptance, EncodedSlash, PathReading, PatternMode, Scopes, UnnamedTokens, UpstreamName};

use super::{
    ApiRoot, CredentialCarrier, Forwarding, HttpMint, Limits, Links, MintSettings, Outbound, PageOrigins, Placing, RefusalShape,
    Settings, StrangerState, Timeouts, TrustedProxies, UpstreamProtocol, UpstreamSettings,
};

/// Ordinary settings for these upstreams.
pub(crate) fn settings(upstreams: Vec<Arc<UpstreamSettings>>) -> Settings {
    Settings {
        upstreams,
        public_access: None,
        minting: MintSettings::default(),
        trusted_proxies: TrustedProxies::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
        strangers: StrangerState::default(),
    }
}

/// An upstream with ordinary settings.
pub(crate) fn upstream(name: &str, root: &str, placing: Placing) -> Arc<UpstreamSettings> {
    Arc::new(UpstreamSettings {
        name: UpstreamName::parse(name).unwrap(),
        alias: None,
        api_root: ApiRoot::parse(root).unwrap(),
        protocol: UpstreamProtocol::default(),
        placing,
        unnamed: UnnamedTokens::Refuse,
        acceptance: Acceptance::default(),
        http_mint: HttpMint::default(),
        scopes: Arc::default(),
        links: Links::default(),
        encoded_slash: EncodedSlash::Refuse,
        path_reading: PathReading::Strict,
        response_timeout: None,
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
        refusals: RefusalShape::default(),
        allow_origins: PageOrigins::default(),
    })
}
