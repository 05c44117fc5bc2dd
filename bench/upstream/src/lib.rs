//! A static upstream: 1,024 bytes of JSON to every request, 1 MiB to `GET /big`, 1 GiB to
//! `GET /huge`, keep-alive, one thread over epoll.
//! Reads only the end of a request from HTTP, so that a response costs next to nothing.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SMALL: usize = 1024;
const BIG: usize = 1024 * 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";
const LENGTH: &[u8] = b"content-length:";

/// The responses, whole.
#[derive(Clone, Copy)]
struct Responses {
    small: &'static [u8],
    big: &'static [u8],
}

/// Listens at the address in the first argument, until the process is ended.
///
/// # Errors
/// The address is missing, or listening at the address is impossible.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("usage: bench-upstream ADDRESS")?;
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on `{address}`"))?;
    let responses = Responses {
        small: response("application/json", SMALL).leak(),
        big: response("application/octet-stream", BIG).leak(),
    };
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true).context("cannot switch Nagle off")?;
        // A client that leaves during a request is no error of the upstream.
        tokio::spawn(async move { serve(stream, responses).await.ok() });
    }
}

async fn serve(mut stream: TcpStream, responses: Responses) -> Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some(at) = buffer.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
            let body = buffer.split_off(at + HEAD_END.len());
            // Some clients send an empty chunked body with a `GET`.
            if buffer == b"0\r\n\r\n" {
                buffer = body;
                continue;
            }
            let is_huge = buffer.starts_with(b"GET /huge");
            let response =
                if buffer.starts_with(b"GET /big") { responses.big } else { responses.small };
            let length = if buffer.starts_with(b"GET ") {
                0
            } else {
                content_length(&buffer).context("no length")?
            };
            buffer.clear();
            buffer.extend_from_slice(body.get(length..).unwrap_or_default());
            swallow(&mut stream, length.saturating_sub(body.len())).await?;
            if is_huge {
                huge(&mut stream, responses.big).await?;
            } else {
                stream.write_all(response).await?;
            }
        }
    }
    Ok(())
}

/// Sends 1 GiB, as bodies of 1 MiB.
async fn huge(stream: &mut TcpStream, big: &[u8]) -> Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        1024 * BIG
    );
    stream.write_all(head.as_bytes()).await?;
    let body = big.get(big.len() - BIG..).unwrap_or_default();
    for _ in 0..1024 {
        stream.write_all(body).await?;
    }
    Ok(())
}

async fn swallow(stream: &mut TcpStream, mut length: usize) -> Result<()> {
    let mut piece = vec![0; length.min(256 * 1024)];
    while length > 0 {
        let most = piece.len().min(length);
        let read = stream.read(piece.get_mut(..most).unwrap_or_default()).await?;
        anyhow::ensure!(read > 0, "the body was broken off");
        length -= read;
    }
    Ok(())
}

fn content_length(head: &[u8]) -> Option<usize> {
    let lines = head.split(|byte| *byte == b'\n');
    let mut values = lines.filter_map(|line| line.split_at_checked(LENGTH.len()));
    let (_, value) = values.find(|(name, _)| name.eq_ignore_ascii_case(LENGTH))?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn response(media_type: &str, length: usize) -> Vec<u8> {
    let frame = r#"{"padding":""}"#.len();
    let body = format!(r#"{{"padding":"{}"}}"#, "x".repeat(length - frame));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
