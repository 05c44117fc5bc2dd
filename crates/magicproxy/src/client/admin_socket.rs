//! Operations on a running proxy, asked for on the Unix socket of its admin listener
//! (`docs/spec/admin.md` section 5).

use std::path::PathBuf;

use anyhow::Context as _;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use tokio::net::UnixStream;

use super::over;
use crate::ground::failure::Failure;
use magicproxy_config::config::Config;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::ground::text::{harmless, reason};

/// The most bytes of a refusal.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// The admin socket of a proxy.
#[derive(Debug)]
pub(crate) struct AdminSocket(PathBuf);

impl AdminSocket {
    /// Finds the first socket among the addresses of the admin listener.
    ///
    /// # Errors
    /// A usage failure, if the configuration names none.
    pub(crate) fn of(config: &Config) -> Result<Self, Failure> {
        let socket = config.admin.listen.iter().find_map(|listen| match listen {
            ListenAddress::Unix(path) => Some(Self(path.clone())),
            ListenAddress::Tcp(_) => None,
        });
        socket.ok_or_else(|| {
            Failure::usage(
                "a running proxy is asked on its admin socket, and this configuration names none: `admin.listen = \"unix:PATH\"`",
            )
        })
    }

    /// Asks for an operation, and returns the response once its head has come.
    ///
    /// # Errors
    /// The system's, and those of HTTP.
    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let shown = || format!("the admin socket `{}`", self.0.display());
        let stream = UnixStream::connect(&self.0).await.map_err(|error| {
            anyhow::anyhow!("{}: {}: does the proxy run?", shown(), reason(&error))
        })?;
        let request = Request::builder().method(Method::POST).uri(path).header(HOST, "localhost");
        let request = request.body(Full::new(Bytes::new())).with_context(shown)?;
        over(stream, request).await.with_context(shown)
    }
}

/// Reads a refusal of an operation into an error.
pub(crate) async fn refused(status: StatusCode, content: Incoming) -> anyhow::Error {
    let content = Limited::new(content, MAX_REFUSAL_BYTES).collect().await;
    let text = content.map(|content| content.to_bytes()).unwrap_or_default();
    let line = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned();
    anyhow::anyhow!("the proxy answered {}: {}", status.as_u16(), harmless(&line))
}
