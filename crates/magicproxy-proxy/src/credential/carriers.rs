//! The carriers of one upstream: where its callers' tokens may stand, and what never goes up.
//!
//! `docs/spec/upstreams.md` section 4.

use std::sync::Arc;

use http::HeaderName;
use http::header::REFERER;

use crate::settings::{CarrierSubprotocol, TokenCarrier, UpstreamSettings};

/// What configuration says about carriers, gathered once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carriers {
    headers: Vec<HeaderName>,
    parameters: Vec<String>,
    /// What items of `Sec-WebSocket-Protocol` begin with that hold a token.
    subprotocols: Vec<CarrierSubprotocol>,
    stripped: Arc<[HeaderName]>,
    stripped_subprotocols: Arc<[CarrierSubprotocol]>,
}

impl Carriers {
    /// `own` is one of `all`. What another upstream takes a secret in goes up to none: a token sent to the wrong one would.
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
        let mut stripped: Vec<HeaderName> = all.iter().flat_map(|upstream| headers(upstream)).collect();
        if !names.is_empty() {
            // It repeats the URL of an earlier request, and with it the parameter.
            stripped.push(REFERER);
        }
        Self {
            headers: headers(own).collect(),
            parameters: names,
            subprotocols: subprotocols(own).cloned().collect(),
            stripped: stripped.into(),
            stripped_subprotocols: all.iter().flat_map(|upstream| subprotocols(upstream)).cloned().collect(),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(headers: &[&'static str], parameters: &[&str]) -> Self {
        let headers: Vec<HeaderName> = headers.iter().map(|name| HeaderName::from_static(name)).collect();
        let parameters = parameters.iter().map(|name| (*name).to_owned()).collect();
        let subprotocols = vec![CarrierSubprotocol::parse("api-key.").unwrap()];
        let stripped_subprotocols = subprotocols.clone().into();
        Self { stripped: headers.clone().into(), headers, parameters, subprotocols, stripped_subprotocols }
    }

    #[cfg(test)]
    pub(crate) fn stripping(headers: Vec<HeaderName>) -> Self {
        Self { stripped: headers.into(), ..Self::default() }
    }

    /// Headers in which a token may stand, besides the ones that every upstream knows.
    pub(crate) fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Query parameters in which a token may stand.
    pub(crate) fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// What items of `Sec-WebSocket-Protocol` begin with in which a token may stand.
    pub(crate) fn subprotocols(&self) -> &[CarrierSubprotocol] {
        &self.subprotocols
    }

    /// Headers that do not go up, besides the ones that never do.
    pub(crate) fn stripped(&self) -> &Arc<[HeaderName]> {
        &self.stripped
    }

    /// What items of `Sec-WebSocket-Protocol` begin with that do not go up, besides the ones that never do.
    pub(crate) fn stripped_subprotocols(&self) -> &Arc<[CarrierSubprotocol]> {
        &self.stripped_subprotocols
    }
}

fn headers(upstream: &UpstreamSettings) -> impl Iterator<Item = HeaderName> {
    let accepted = upstream.token_carriers.iter().filter_map(TokenCarrier::header);
    accepted.chain(upstream.credential.header()).cloned()
}

/// What items of `Sec-WebSocket-Protocol` begin with in which this upstream's clients put keys.
fn subprotocols(upstream: &UpstreamSettings) -> impl Iterator<Item = &CarrierSubprotocol> {
    upstream.token_carriers.iter().filter_map(|carrier| match carrier {
        TokenCarrier::Subprotocol(prefix) => Some(prefix),
        TokenCarrier::Header(_) | TokenCarrier::Query(_) => None,
    })
}
