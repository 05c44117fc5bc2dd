//! Requests to the admin listener of a running proxy, over TCP or over its Unix socket
//! (`docs/spec/admin.md`).
//!
//! The admin listener sends whole responses with their length. A response without one, or with
//! another status line than HTTP's, is nobody's to believe.

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use http::header::{ACCEPT, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::net::TcpStream;

use super::over;
use magicproxy_config::config::Layers;
use magicproxy_config::config::address::ListenAddress;
use magicproxy_config::config::admin::written_addresses;
use magicproxy_config::ground::scheme::Scheme;

/// The admin listener of a proxy.
#[derive(Debug)]
pub(crate) struct AdminListener(ListenAddress);

/// A request to the admin listener, without content.
#[derive(Debug)]
pub(crate) struct AdminRequest {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The media type that is asked for; the usual text without one.
    pub(crate) accept: Option<&'static str>,
    /// The longest silence of the admin listener.
    pub(crate) patience: Duration,
}

/// A response of known length, whose content is still to come.
#[derive(Debug)]
pub(crate) struct AdminResponse {
    pub(crate) status: StatusCode,
    length: u64,
    content: Incoming,
    patience: Duration,
}

/// A response with its text.
#[derive(Debug)]
pub(crate) struct AdminText {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl AdminListener {
    /// Takes the listener at an address.
    pub(crate) fn at(address: ListenAddress) -> Self {
        Self(address)
    }

    /// Finds the Unix socket that the configuration names, though other settings may have faults.
    pub(crate) fn socket_of(layers: &Layers) -> Option<Self> {
        written_addresses(layers).into_iter().find(ListenAddress::is_unix).map(Self)
    }

    /// Finds the socket that the configuration names, or else the first address, though other
    /// settings may have faults.
    pub(crate) fn any_of(layers: &Layers) -> Option<Self> {
        Self::socket_of(layers).or_else(|| written_addresses(layers).into_iter().next().map(Self))
    }

    /// Returns the address.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.0
    }

    /// Sends a request, and returns the response once its head has come.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::InvalidData`] for what is no whole HTTP/1.1.
    pub(crate) async fn ask(&self, request: AdminRequest) -> io::Result<AdminResponse> {
        let AdminRequest { method, path, accept, patience } = request;
        let mut asked = Request::builder().method(method).uri(path).header(HOST, "localhost");
        if let Some(accept) = accept {
            asked = asked.header(ACCEPT, HeaderValue::from_static(accept));
        }
        let asked = asked.body(Full::new(Bytes::new())).map_err(|_| no_http())?;
        let response = within(patience, self.send(asked)).await??;
        let (head, content) = response.into_parts();
        let length = content.size_hint().exact().ok_or_else(no_http)?;
        if head.version != Version::HTTP_11 {
            return Err(no_http());
        }
        Ok(AdminResponse { status: head.status, length, content, patience })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
        let response = match &self.0 {
            ListenAddress::Tcp(_) => {
                let url = self.0.url(Scheme::Http, None);
                over(TcpStream::connect(url.trim_start_matches("http://")).await?, request).await
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                over(tokio::net::UnixStream::connect(path).await?, request).await
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        response.map_err(|_| no_http())
    }
}

impl AdminResponse {
    /// Reads a text of at most so many bytes.
    ///
    /// # Errors
    /// As those of [`AdminListener::ask`].
    pub(crate) async fn text(mut self, most: u64) -> io::Result<AdminText> {
        if self.length > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the response is too long"));
        }
        let mut text = Vec::new();
        while let Some(bytes) = self.next().await? {
            text.extend_from_slice(&bytes);
        }
        let body = String::from_utf8(text).map_err(|_| no_http())?;
        Ok(AdminText { status: self.status, body })
    }

    /// Writes the whole content to a file.
    ///
    /// # Errors
    /// As those of [`AdminListener::ask`], and of the file.
    pub(crate) async fn copy_to(mut self, file: &mut File) -> io::Result<()> {
        while let Some(bytes) = self.next().await? {
            file.write_all(&bytes)?;
        }
        file.sync_all()
    }

    /// Returns the next piece; `None` behind the last one, if all have come.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(frame) = within(self.patience, self.content.frame()).await? else {
                return if self.length == 0 { Ok(None) } else { Err(broken_off()) };
            };
            let Ok(bytes) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            self.length = self.length.checked_sub(bytes.len() as u64).ok_or_else(broken_off)?;
            return Ok(Some(bytes));
        }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    let silent = |_| {
        let message = format!("no answer within {} s", patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, message)
    };
    tokio::time::timeout(patience, work).await.map_err(silent)
}

fn no_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the response is no HTTP")
}

fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the response broke off")
}

#[cfg(test)]
mod tests;
