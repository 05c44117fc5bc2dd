//! Where tokens and credentials of a proxy's upstreams stand: none of it goes up as it came. `docs/spec/upstreams.md` section 4.

use std::sync::Arc;

use http::HeaderName;
use http::header::REFERER;

use crate::settings::{CarrierSubprotocol, TokenCarrier, UpstreamSettings};

/// The carriers of all upstreams of a proxy, stripped from requests to one of them. What another upstream takes a secret in goes up
/// to none: a token sent to the wrong one would.
#[derive(Clone, Debug, Default)]
pub(crate) struct StrippedCarriers {
    /// Headers, besides the ones that never go up.
    pub(crate) headers: Arc<[HeaderName]>,
    /// What items of `Sec-WebSocket-Protocol` begin with, besides the ones that never go up.
    pub(crate) subprotocols: Arc<[CarrierSubprotocol]>,
}

impl StrippedCarriers {
    /// Those of `all`, for requests to `own`, which is one of them.
    pub(crate) fn new(own: &UpstreamSettings, all: &[Arc<UpstreamSettings>]) -> Self {
        let mut headers: Vec<HeaderName> =
            all.iter().flat_map(|upstream| upstream.carrier_headers()).cloned().collect();
        let mut accepted = own.token_carriers.iter();
        if accepted.any(|carrier| matches!(carrier, TokenCarrier::Query(_)))
            || own.credential.parameter().is_some()
        {
            // It repeats the URL of an earlier request, and with it the parameter.
            headers.push(REFERER);
        }
        let subprotocols =
            all.iter().flat_map(|upstream| upstream.carrier_subprotocols()).cloned().collect();
        Self { headers: headers.into(), subprotocols }
    }
}
