//! Carriers of the tokens and credentials of a proxy's upstreams: no carrier's content goes up as
//! received. `docs/spec/upstreams.md` section 4.

use std::sync::Arc;

use http::HeaderName;
use http::header::REFERER;

use crate::settings::{CarrierSubprotocol, TokenCarrier, UpstreamSettings};

/// Carriers of all upstreams of a proxy, to be stripped from requests. A carrier of any upstream is
/// stripped from requests to every upstream: a token that a client sends to the wrong upstream
/// would else go up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StrippedCarriers {
    /// Headers, besides the headers that never go up.
    pub(crate) headers: Arc<[HeaderName]>,
    /// Prefixes of items of `Sec-WebSocket-Protocol`, besides the items that never go up.
    pub(crate) subprotocols: Arc<[CarrierSubprotocol]>,
}

impl StrippedCarriers {
    /// Collects the carriers of `all`, for requests to `own`, which is a member of `all`.
    pub(crate) fn new(own: &UpstreamSettings, all: &[Arc<UpstreamSettings>]) -> Self {
        let mut headers: Vec<HeaderName> =
            all.iter().flat_map(|upstream| upstream.carrier_headers()).cloned().collect();
        let mut accepted = own.token_carriers.iter();
        if accepted.any(|carrier| matches!(carrier, TokenCarrier::Query(_)))
            || own.credential.parameter().is_some()
        {
            // `Referer` repeats the URL of an earlier request, and with the URL the parameter.
            headers.push(REFERER);
        }
        let mut subprotocols: Vec<CarrierSubprotocol> =
            all.iter().flat_map(|upstream| upstream.carrier_subprotocols()).cloned().collect();
        // Sets: another upstream with the same carriers changes nothing.
        headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();
        subprotocols.sort_unstable();
        subprotocols.dedup();
        Self { headers: headers.into(), subprotocols: subprotocols.into() }
    }
}
