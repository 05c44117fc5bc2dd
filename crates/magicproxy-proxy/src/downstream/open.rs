//! The opening of a connection: the TLS handshake, if any, and the detection of the protocol from
//! the first bytes.
//!
//! The server bounds the time. A connection has no buffer until its first byte.

#[cfg(test)]
mod tests;

use std::io;

use bytes::{Bytes, BytesMut};
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::protocol::{Protocol, detect};
use super::socket::{Socket, Stream};
use crate::downstream::listener::tls::{Purpose, TlsServer};

/// The response to plain HTTP on a TLS port. No part of the request is repeated.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 64\r\n\
    Connection: close\r\n\r\nmagicproxy: this port speaks TLS; its URLs begin with https://\r\n";
/// The bytes of a plain request that are read before the connection ends, because a close with
/// unread bytes would reset the connection and lose the response.
const MAX_PLAIN_BYTES: u64 = 64 * 1024;

/// The most bytes of a handshake: a `ClientHello` with the largest keys in use is 2 KiB long, and
/// no certificate is requested. Bytes behind the `ClientHello` in the same read, 4 KiB at most, fit
/// too.
const MAX_HANDSHAKE_BYTES: usize = 16 * 1024;
/// The most bytes of a TLS record, in its older and longer form: RFC 5246 section 6.2.3.
const MAX_RECORD_BYTES: usize = 5 + 16 * 1024 + 2 * 1024;
/// The most bytes that are read behind the `ClientHello` until a handshake is done. A client may
/// send its request right behind the handshake, and TLS then reads on to the end of a record, and
/// begins the next one.
const MAX_BYTES_AFTER_HELLO: usize = MAX_HANDSHAKE_BYTES + 2 * MAX_RECORD_BYTES;

/// A connection whose protocol is known.
pub(crate) struct NegotiatedConnection {
    pub(crate) stream: Stream,
    pub(crate) protocol: Protocol,
    /// Bytes that were already read.
    pub(crate) prefix: Bytes,
}

/// Opens a connection. On an error the client has already received an alert or response, if there
/// was any to send.
pub(crate) async fn open(
    mut socket: Socket,
    tls: Option<&TlsServer>,
) -> io::Result<NegotiatedConnection> {
    socket.readable().await?;
    let Some(tls) = tls else {
        let (protocol, prefix) = detect(&mut socket).await?;
        return Ok(NegotiatedConnection { stream: Stream::Plain(socket), protocol, prefix });
    };
    let mut stream = Box::new(Box::pin(handshake(socket, tls)).await?);
    let (protocol, prefix) = detect(&mut stream).await?;
    // If a protocol was agreed on, no other is spoken (RFC 7301 section 3.2).
    let agreed = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) => Protocol::Http1,
        None => protocol,
    };
    if protocol != agreed {
        return Err(invalid("another protocol than the one agreed on"));
    }
    Ok(NegotiatedConnection { stream: Stream::Tls(stream), protocol, prefix })
}

async fn handshake(mut socket: Socket, tls: &TlsServer) -> io::Result<TlsStream<Socket>> {
    socket.allow(Some(MAX_HANDSHAKE_BYTES));
    let accepted = client_hello(&mut socket).await?;
    socket.allow(Some(MAX_BYTES_AFTER_HELLO));
    let (purpose, config) = tls.config_for(&accepted.client_hello());
    let mut stream = StartHandshake::from_parts(accepted, socket).into_stream(config).await?;
    match purpose {
        Purpose::Http => {
            stream.get_mut().0.allow(None);
            Ok(stream)
        }
        Purpose::Challenge => {
            stream.shutdown().await?;
            Err(invalid("the response to a challenge was all that was asked for"))
        }
    }
}

/// Reads up to the end of the `ClientHello`. Other bytes get a response in the protocol that they
/// resemble.
async fn client_hello(socket: &mut Socket) -> io::Result<Accepted> {
    let mut acceptor = Acceptor::default();
    let mut read = BytesMut::with_capacity(4 * 1024);
    read_some(socket, &mut read).await?;
    // An HTTP method; TLS records begin with a control character (RFC 8446 section 5.1).
    if read.first().is_some_and(u8::is_ascii_uppercase) {
        socket.allow(None);
        return refuse_plain(socket).await;
    }
    loop {
        let mut unread: &[u8] = &read;
        while !unread.is_empty() {
            if acceptor.read_tls(&mut unread)? == 0 {
                return Err(invalid("bytes after the end of TLS"));
            }
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut told = Vec::new();
                alert.write_all(&mut told)?;
                socket.write_all(&told).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        read.clear();
        read_some(socket, &mut read).await?;
    }
}

async fn read_some(socket: &mut Socket, read: &mut BytesMut) -> io::Result<()> {
    match socket.read_buf(read).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn refuse_plain<T>(socket: &mut Socket) -> io::Result<T> {
    socket.write_all(SPEAK_TLS).await?;
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(MAX_PLAIN_BYTES), &mut tokio::io::sink()).await?;
    Err(invalid("plain HTTP where TLS is spoken"))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
