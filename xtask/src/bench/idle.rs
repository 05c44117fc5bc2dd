//! The memory of a newly started proxy, and of a proxy with many idle connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, Result};

use super::measure::pss_mib;
use super::servers::Server;

const CONNECTIONS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) alone_mib: f64,
    pub(crate) connections: usize,
    pub(crate) with_connections_mib: f64,
}

impl Idle {
    /// Opens the connections; each sends one request with the token. A limit of the system on open
    /// files may leave fewer connections.
    pub(crate) fn measure(server: &Server, token: &str) -> Result<Idle> {
        let alone_mib = pss_mib(server)?;
        let request = format!(
            "GET /repos/acme/rocket/issues HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {token}\r\n\r\n",
            server.port
        );
        let mut open = Vec::new();
        while open.len() < CONNECTIONS {
            let Ok(mut connection) = TcpStream::connect(("127.0.0.1", server.port)) else { break };
            connection.write_all(request.as_bytes()).context("cannot send a request")?;
            let mut response = [0; 4096];
            let length = connection.read(&mut response).context("no response came")?;
            anyhow::ensure!(
                response.get(..length).unwrap_or_default().starts_with(b"HTTP/1.1 200 "),
                "a request was refused"
            );
            open.push(connection);
        }
        Ok(Idle { alone_mib, connections: open.len(), with_connections_mib: pss_mib(server)? })
    }

    pub(crate) fn kib_each(&self) -> f64 {
        (self.with_connections_mib - self.alone_mib) * 1024.0 / self.connections.max(1) as f64
    }
}
