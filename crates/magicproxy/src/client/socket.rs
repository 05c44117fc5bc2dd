//! Requests to the admin listener of a proxy on this machine, for commands without a runtime.

use std::io::{self, Read, Write};
use std::path::Path;

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct SocketResponse {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a `POST` without content, and asks for JSON.
///
/// # Errors
/// The errors of the socket, and a response that is none of HTTP.
#[cfg(unix)]
pub(crate) fn post(path: &Path, target: &str) -> io::Result<SocketResponse> {
    use std::os::unix::net::UnixStream;

    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    exchange(stream, &request, MAX_REPORT_BYTES)
}

/// Sends a request, and reads at most so many bytes until the listener ends the connection.
///
/// # Errors
/// The errors of the stream, and a response that is none of HTTP.
pub(crate) fn exchange(
    mut stream: impl Read + Write,
    request: &str,
    most: u64,
) -> io::Result<SocketResponse> {
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.take(most).read_to_end(&mut response)?;
    parse(&response)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is no HTTP"))
}

#[cfg(not(unix))]
pub(crate) fn post(_: &Path, _: &str) -> io::Result<SocketResponse> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Longer than the proxy takes for its longest operation.
#[cfg(unix)]
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(90);
#[cfg(unix)]
const MAX_REPORT_BYTES: u64 = 1024 * 1024;

/// Reads a response whose connection ended behind it. The admin listener sends whole responses, with
/// their length.
fn parse(response: &[u8]) -> Option<SocketResponse> {
    let text = str::from_utf8(response).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(SocketResponse { status, body: body.get(..length)?.to_owned() })
}

#[cfg(all(test, unix))]
mod tests {
    use super::parse;

    #[test]
    fn a_response_is_read_by_its_length_and_nothing_else_is_one() {
        let read = |text: &str| parse(text.as_bytes()).map(|read| (read.status, read.body));
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(read(whole), Some((200, "ok".to_owned())));
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\n\r\nok",
            "SSH-2.0\r\n\r\n",
            &whole[..whole.len() - 1],
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
