//! A static upstream: 1,024 bytes of JSON to every request, keep-alive, one thread over epoll.
//! It understands no more of HTTP than where a request without a body ends, so that it costs next to nothing.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const BODY_BYTES: usize = 1024;
const HEAD_END: &[u8] = b"\r\n\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("usage: bench-upstream ADDRESS")?;
    let listener = TcpListener::bind(&address).await.with_context(|| format!("cannot listen on `{address}`"))?;
    let answer: &'static [u8] = answer().leak();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true).context("cannot switch Nagle off")?;
        // A caller that goes away mid-request is no event worth a word.
        tokio::spawn(async move { serve(stream, answer).await.ok() });
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8]) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut buffer).await? > 0 {
        let heads = buffer.windows(HEAD_END.len()).filter(|window| *window == HEAD_END).count();
        if buffer.ends_with(HEAD_END) {
            buffer.clear();
            for _ in 0..heads {
                stream.write_all(answer).await?;
            }
        }
    }
    Ok(())
}

fn answer() -> Vec<u8> {
    let frame = r#"{"padding":""}"#.len();
    let body = format!(r#"{{"padding":"{}"}}"#, "x".repeat(BODY_BYTES - frame));
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}").into_bytes()
}
