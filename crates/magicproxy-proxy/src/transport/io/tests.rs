//! Reading in turns, and streams that others look at.

use std::pin::pin;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::transport::signals::WatchedStream;

/// However fast one upstream sends, the worker comes to its other connections after 16 KiB.
#[tokio::test]
async fn a_socket_is_read_in_turns() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let sent = [b'x'; 40 * 1024];
    let mut upstream = listener.accept().await.unwrap().0;
    upstream.write_all(&sent).await.unwrap();
    stream.readable().await.unwrap();
    let mut io = UpstreamIo::new(stream, Duration::from_secs(60), None);
    let (mut read, mut in_turn, mut longest) = (0, 0, 0);
    std::future::poll_fn(|context| {
        while read < sent.len() {
            let mut buffer = [0; 1024];
            let mut buffer = ReadBuf::new(&mut buffer);
            if pin!(&mut io).poll_read(context, &mut buffer).is_pending() {
                in_turn = 0;
                return Poll::Pending;
            }
            (read, in_turn) = (read + buffer.filled().len(), in_turn + buffer.filled().len());
            longest = longest.max(in_turn);
        }
        Poll::Ready(())
    })
    .await;
    assert!(longest < 17 * 1024, "{longest} bytes without a pause");
}

/// What is written to a stream that is watched goes through it, and so does its end while the stream is still there.
#[tokio::test]
async fn a_watched_stream_passes_everything_on() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut watched = WatchedStream::new(near, Arc::new(Signals::default()));
    watched.write_all(b"request").await.unwrap();
    watched.flush().await.unwrap();
    watched.shutdown().await.unwrap();
    let mut came = Vec::new();
    let mut reading = pin!(far.read_to_end(&mut came));
    let ended = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    assert!(ended.is_ready(), "the end did not come");
    assert_eq!(came, b"request");
    drop(watched);
}
