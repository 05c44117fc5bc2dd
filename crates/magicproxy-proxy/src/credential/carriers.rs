//! The carriers of an upstream: the places for its clients' tokens, and the places stripped on the
//! way up.
//!
//! `docs/spec/upstreams.md` section 4.

use std::sync::Arc;

use http::HeaderName;

use crate::http::header::StrippedCarriers;
use crate::settings::{CarrierSubprotocol, TokenCarrier, UpstreamSettings};

/// The configured carriers of an upstream, gathered once for each configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carriers {
    headers: Vec<HeaderName>,
    parameters: Vec<String>,
    /// Prefixes of items in `Sec-WebSocket-Protocol` that hold a token.
    subprotocols: Vec<CarrierSubprotocol>,
    stripped: StrippedCarriers,
}

impl Carriers {
    /// Gathers the carriers of `own`, a member of `all`.
    pub(crate) fn new(own: &UpstreamSettings, all: &[Arc<UpstreamSettings>]) -> Self {
        let accepted = own.token_carriers.iter();
        let parameters = accepted.filter_map(|carrier| match carrier {
            TokenCarrier::Query(name) => Some(name),
            TokenCarrier::Header(_) | TokenCarrier::Subprotocol(_) => None,
        });
        let mut names: Vec<String> = Vec::new();
        for name in parameters.chain(own.credential.parameter()) {
            if !names.iter().any(|known| known == name.as_str()) {
                names.push(name.as_str().to_owned());
            }
        }
        Self {
            headers: own.carrier_headers().cloned().collect(),
            parameters: names,
            subprotocols: own.carrier_subprotocols().cloned().collect(),
            stripped: StrippedCarriers::new(own, all),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(headers: &[&'static str], parameters: &[&str]) -> Self {
        let headers: Vec<HeaderName> =
            headers.iter().map(|name| HeaderName::from_static(name)).collect();
        let parameters = parameters.iter().map(|name| (*name).to_owned()).collect();
        let subprotocols = vec![CarrierSubprotocol::parse("api-key.").unwrap()];
        let stripped = StrippedCarriers {
            headers: headers.clone().into(),
            subprotocols: subprotocols.clone().into(),
        };
        Self { stripped, headers, parameters, subprotocols }
    }

    #[cfg(test)]
    pub(crate) fn stripping(headers: Vec<HeaderName>) -> Self {
        let stripped = StrippedCarriers { headers: headers.into(), ..StrippedCarriers::default() };
        Self { stripped, ..Self::default() }
    }

    /// Returns the header fields that may hold a token, besides the fields known at every upstream.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Returns the query parameters that may hold a token.
    pub(crate) fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// Returns the prefixes of items in `Sec-WebSocket-Protocol` that may hold a token.
    pub(crate) fn subprotocols(&self) -> &[CarrierSubprotocol] {
        &self.subprotocols
    }

    /// Returns the carriers stripped on the way up.
    pub(crate) fn stripped(&self) -> &StrippedCarriers {
        &self.stripped
    }
}
