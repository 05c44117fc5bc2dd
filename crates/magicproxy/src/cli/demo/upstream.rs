//! The API of the demonstration: two resources behind one credential.

use std::convert::Infallible;

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// The credential of the demonstration's API, useless anywhere else.
pub(super) const CREDENTIAL: &str = "demo-credential-that-may-do-anything";

/// Starts the API and returns its port.
pub(super) async fn start() -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on 127.0.0.1")?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service =
                service_fn(|request| async move { Ok::<_, Infallible>(respond(&request)) });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(port)
}

fn respond(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let presented = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    let (status, body) = match (request.method(), request.uri().path()) {
        _ if presented != Some(format!("Bearer {CREDENTIAL}").as_bytes()) => (
            StatusCode::UNAUTHORIZED,
            r#"{"message": "this API knows one credential, and this is not it"}"#,
        ),
        (&Method::GET, "/repos/acme/widgets/issues") => (
            StatusCode::OK,
            r#"[{"number": 1, "title": "the left widget squeaks"}, {"number": 2, "title": "the right one does not"}]"#,
        ),
        (&Method::DELETE, "/repos/acme/widgets") => {
            (StatusCode::OK, r#"{"message": "the repository is gone"}"#)
        }
        _ => (StatusCode::NOT_FOUND, r#"{"message": "there is nothing here"}"#),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
