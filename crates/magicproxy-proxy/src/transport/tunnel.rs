//! Tunnel through an outbound proxy: `CONNECT` on a connection to the proxy, and the bare stream
//! after the proxy's consent.

use std::pin::pin;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::failure::{ConnectFailure, ConnectFault, ProxyFault};
use super::io::UpstreamIo;
use crate::http::MAX_HEAD_BYTES;
use crate::settings::{ApiRoot, OutboundProxy};

/// Asks the outbound proxy at the other end for a tunnel to the origin. The proxy learns the
/// origin's host and port; the proxy's own credential goes to nobody else.
///
/// # Errors
/// Returns the proxy's refusal, or the failure of a peer that does not speak HTTP.
pub(super) async fn through(
    stream: UpstreamIo,
    proxy: &OutboundProxy,
    root: &ApiRoot,
) -> Result<UpstreamIo, ConnectFailure> {
    let broken =
        |error: hyper::Error| ConnectFailure::because(ConnectFault::Proxy(ProxyFault::Http), error);
    let mut builder = http1::Builder::new();
    // `max_buf_size` bounds the bytes that are read beyond the head.
    builder.max_header_size(MAX_HEAD_BYTES as usize).max_buf_size(MAX_HEAD_BYTES as usize);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request =
        request(proxy, root).ok_or(ConnectFailure::new(ConnectFault::Proxy(ProxyFault::Http)))?;
    let mut driver = pin!(connection.with_upgrades());
    let mut asked = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        match response.status() {
            status if status.is_success() => hyper::upgrade::on(response).await.map_err(broken),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(ConnectFailure::new(ConnectFault::Proxy(ProxyFault::Authentication)))
            }
            status => {
                Err(ConnectFailure::new(ConnectFault::Proxy(ProxyFault::Denied(status.as_u16()))))
            }
        }
    });
    // Both futures run in one task, so that nothing of the tunnel outlives a cancelled request.
    let mut is_driven = true;
    let upgraded = loop {
        tokio::select! {
            upgraded = &mut asked => break upgraded?,
            _ = &mut driver, if is_driven => is_driven = false,
        }
    };
    let parts = upgraded.downcast::<TokioIo<UpstreamIo>>();
    let parts = parts.map_err(|_| ConnectFailure::new(ConnectFault::Proxy(ProxyFault::Http)))?;
    // Nothing was sent to the origin, so these bytes cannot be the origin's: the proxy goes on
    // talking.
    if !parts.read_buf.is_empty() {
        return Err(ConnectFailure::new(ConnectFault::Proxy(ProxyFault::Http)));
    }
    Ok(parts.io.into_inner())
}

fn request(proxy: &OutboundProxy, root: &ApiRoot) -> Option<Request<Empty<Bytes>>> {
    let host = root.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let authority = format!("{host}:{}", root.port());
    let uri = Uri::builder().authority(authority.as_str()).build().ok()?;
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&authority).ok()?);
    if let Some(authorization) = proxy.authorization() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Some(request)
}
