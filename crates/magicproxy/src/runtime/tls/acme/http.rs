//! The ACME client's HTTP, over our own TLS: one request, one connection.

use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Limited;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use magicproxy_proxy::https::HttpsConnector;

const LIMIT: Duration = Duration::from_secs(30);
const MAX_ACME_RESPONSE_BYTES: usize = 1024 * 1024;

pub(super) struct AcmeHttp {
    connector: HttpsConnector,
}

impl AcmeHttp {
    pub(super) fn new(connector: HttpsConnector) -> Self {
        Self { connector }
    }
}

impl HttpClient for AcmeHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let connector = self.connector.clone();
        Box::pin(async move {
            let url = request.uri().clone();
            let response = tokio::time::timeout(LIMIT, exchange(connector, request)).await;
            let response = response
                .unwrap_or_else(|_| Err(anyhow::anyhow!("no response in {} s", LIMIT.as_secs())));
            response.with_context(|| url.to_string()).map_err(|error| Error::Other(error.into()))
        })
    }
}

async fn exchange(
    connector: HttpsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> anyhow::Result<BytesResponse> {
    let url = request.uri().clone();
    anyhow::ensure!(
        url.scheme_str() == Some("https"),
        "expected a URL that begins with `https://`"
    );
    let authority = url.authority().context("expected a URL with a host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = connector.connect(host, authority.port_u16().unwrap_or(443)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
    *request.uri_mut() =
        Uri::from(url.path_and_query().context("expected a URL with a path")?.clone());
    let response = sender.send_request(request).await?;
    Ok(BytesResponse::from(response.map(|body| Limited::new(body, MAX_ACME_RESPONSE_BYTES))))
}
