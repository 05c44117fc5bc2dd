use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::downstream::socket::Transport;

/// A client that has sent this and will send nothing more, and the socket on which it comes.
async fn sent(bytes: &[u8]) -> (TcpStream, Socket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    (
        client,
        Socket::new(Transport::Tcp(stream), Duration::from_secs(600), std::sync::Arc::default()),
    )
}

/// The beginning of a `ClientHello` that goes on behind so many bytes.
fn endless_hello(length: usize) -> Vec<u8> {
    const RECORD: usize = 4 * 1024;
    let mut hello = Vec::new();
    while hello.len() < length {
        let mut record = [&[22, 3, 1][..], &(RECORD as u16).to_be_bytes(), &[0; RECORD]].concat();
        if hello.is_empty() {
            record[5..9].copy_from_slice(&[1, 0, 0xff, 0xf0]);
        }
        hello.extend(record);
    }
    hello.truncate(length);
    hello
}

#[tokio::test]
async fn a_handshake_brings_so_many_bytes_and_not_one_more() {
    let tls = TlsServer::new(None).unwrap();
    for (length, expected) in [
        (1, "UnexpectedEof"),
        (16 * 1024, "UnexpectedEof"),
        (16 * 1024 + 1, "InvalidData"),
        (20_000, "InvalidData"),
    ] {
        let (_client, socket) = sent(&endless_hello(length)).await;
        let error = handshake(socket, &tls).await.unwrap_err();
        assert_eq!(format!("{:?}", error.kind()), expected, "{length}: {error}");
    }
}

/// Where TLS is spoken, so much of a plain request is read and no more, and it is told why it is not served.
#[tokio::test]
async fn of_a_plain_request_so_many_bytes_are_read() {
    for (length, left) in [(100, 0), (64 * 1024, 0), (64 * 1024 + 1, 1)] {
        let (mut client, mut socket) = sent(&vec![b'G'; length]).await;
        refuse_plain::<()>(&mut socket).await.unwrap_err();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), left, "{length}");
        let mut told = Vec::new();
        client.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, SPEAK_TLS);
    }
}
