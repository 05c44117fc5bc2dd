//! A minimal HTTP/1.1 client, which sends one request to a server on this machine.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::HUNG;

#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Returns a port that is free now. Another process may take the port before the user does; a test
/// then fails with a message.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on 127.0.0.1")?;
    Ok(listener.local_addr().context("cannot read the address")?.port())
}

pub(crate) fn get(port: u16, path: &str) -> Result<HttpResponse> {
    send(port, "GET", path, "")
}

pub(crate) fn post_json(port: u16, path: &str, body: &str) -> Result<HttpResponse> {
    send(port, "POST", path, body)
}

/// True if a server listens on the port.
pub(crate) fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Waits until the newly started server listens. Refuses a server that ended, or that does not
/// listen within [`HUNG`].
pub(crate) fn wait_for(port: u16, server: &mut Child) -> Result<()> {
    let deadline = Instant::now() + HUNG;
    while !is_open(port) {
        let ended = server.try_wait().context("cannot look at a server")?;
        anyhow::ensure!(ended.is_none(), "the server has ended before it listened on port {port}");
        anyhow::ensure!(
            Instant::now() < deadline,
            "nothing listens on port {port} after {} s",
            HUNG.as_secs()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn send(port: u16, method: &str, path: &str, body: &str) -> Result<HttpResponse> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .with_context(|| format!("cannot reach port {port}"))?;
    stream.set_read_timeout(Some(HUNG)).context("cannot set a timeout")?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).context("cannot send a request")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("no whole answer came")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the response has no head")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the response has no status")?;
    Ok(HttpResponse { status, body: body.to_owned() })
}
