//! The HTTP version that is spoken to an API.

use magicproxy_proxy::settings::{ApiRoot, PathTarget, RouteSettings, UpstreamProtocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Table;
use crate::config::check::Checker;
use crate::config::setting::choices;

/// The HTTP version that is spoken to an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProtocolChoice {
    /// HTTP/2 in shared connections if the API agrees by ALPN, else HTTP/1.1.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1, in a connection for each request.
    #[default]
    #[serde(rename = "http/1.1", alias = "h1")]
    Http1,
    /// As `auto`, for API roots that begin with `https://`.
    #[serde(rename = "h2")]
    Http2,
}

choices!(ProtocolChoice);

impl Checker<'_> {
    /// Checks the protocol. HTTP/2 is agreed on by TLS, so `h2` requires TLS at every origin.
    pub(super) fn protocol(
        &mut self,
        table: &Table<'_>,
        api_root: Option<&ApiRoot>,
        routes: Option<&RouteSettings>,
    ) -> Option<UpstreamProtocol> {
        let given = match table.raw.protocol.given() {
            Some(given) if given.value == ProtocolChoice::Http2 => given,
            Some(given) if given.value == ProtocolChoice::Auto => {
                return Some(UpstreamProtocol::Negotiated);
            }
            _ => return Some(UpstreamProtocol::Http1),
        };
        let further =
            routes.into_iter().flat_map(|routes| &routes.paths).filter_map(|path| match &path.to {
                PathTarget::Origin(root) => Some(root),
                PathTarget::Path(_) => None,
            });
        let Some(plain) = api_root.into_iter().chain(further).find(|root| !root.is_secure()) else {
            return Some(UpstreamProtocol::Negotiated);
        };
        let key = table.key("protocol");
        self.fault(
            format!("{key} `h2`: needs TLS, and `{plain}` has none: expected `auto` or `http/1.1`, or a root that begins with `https://`"),
            &given.origin,
        );
        None
    }
}
