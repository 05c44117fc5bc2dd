//! Settings for unit tests.

use std::sync::Arc;

use magicproxy_core::{Acceptance, EncodedSlash, PatternMode, Scopes, UnnamedTokens, UpstreamName};

use super::{ApiRoot, CredentialCarrier, Forwarding, Links, Placing, RefusalShape, UpstreamProtocol, UpstreamSettings};

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
        scopes: Scopes::default(),
        links: Links::Rewrite,
        encoded_slash: EncodedSlash::Refuse,
        response_timeout: None,
        patterns: PatternMode::Whole,
        ceiling: None,
        preset_request_headers: Vec::new(),
        pass_request_headers: Vec::new(),
        drop_request_headers: Vec::new(),
        drop_response_headers: Vec::new(),
        drop_query_parameters: Vec::new(),
        extra_roots: Vec::new(),
        websocket: false,
        forwarding: Forwarding::None,
        credential: CredentialCarrier::default(),
        token_carriers: Vec::new(),
        refusals: RefusalShape::default(),
    })
}
