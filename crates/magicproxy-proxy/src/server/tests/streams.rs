//! Endings of streams of HTTP/2, each on a connection of its own.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{Method, Request};

use super::*;

/// A client's connection, and what it sent.
struct Client {
    send: SendRequest<Bytes>,
    task: JoinHandle<()>,
}

impl Client {
    async fn open(stage: &mut Stage, requests: usize, says: &'static str) -> Self {
        let stream = connect(stage.address).await;
        stage.sent.push((client_of(&stream), requests, says));
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        // It ends as its client or the proxy wants.
        let task = tokio::spawn(async move { drop(connection.await) });
        Self { send, task }
    }

    fn ask(
        &mut self,
        token: &str,
        method: Method,
        path: &str,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let has_content = method == Method::POST;
        let request = Request::builder().method(method).uri(format!("http://api{path}"));
        let request = request.header("authorization", format!("Bearer {token}")).body(()).unwrap();
        self.send.send_request(request, !has_content).unwrap()
    }

    /// The status and the whole of a response.
    async fn whole(&mut self, token: &str, method: Method, path: &str) -> Option<u16> {
        let (response, _content) = self.ask(token, method, path);
        let response = response.await.ok()?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data.ok()?.len()).unwrap();
        }
        Some(status)
    }

    async fn goes(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub(super) async fn every_ending() {
    let mut stage =
        Stage::with(|settings| settings.timeouts.drain = std::time::Duration::ZERO).await;
    let (token, counted) = (stage.token.clone(), stage.counted.clone());
    let mut client = Client::open(&mut stage, 4, "allowed 20").await;
    for (method, path) in [
        (Method::GET, "/whole"),
        (Method::HEAD, "/whole"),
        (Method::GET, "/chunked"),
        (Method::GET, "/none"),
    ] {
        assert!(client.whole(&token, method, path).await.is_some());
    }
    client.goes().await;
    let mut client = Client::open(&mut stage, 1, "missing_token 401|invalid_token 401").await;
    assert_eq!(client.whole("x", Method::GET, "/whole").await, Some(401));
    client.goes().await;
    broken_off(&mut stage, &token).await;
    // A panic ends its stream, or all of them.
    let mut client = Client::open(&mut stage, 1, "allowed 0").await;
    assert_eq!(client.whole(&counted, Method::GET, "/whole").await, None);
    client.goes().await;
    // What is in progress when the proxy stops.
    let mut client = Client::open(&mut stage, 2, "undecided 0|allowed 0|allowed 200").await;
    let (silent, part) =
        (client.ask(&token, Method::GET, "/silent"), client.ask(&token, Method::GET, "/part"));
    let begun = part.0.await.unwrap();
    ended::wait_begun(stage.sent.last().unwrap().0, 2).await;
    stage.ended((silent, begun)).await;
}

/// Streams that end before their end.
async fn broken_off(stage: &mut Stage, token: &str) {
    // Reset by the client, before a response, in one, and in the request's content.
    for (method, path, says) in [
        (Method::GET, "/silent", "undecided 0|allowed 0"),
        (Method::GET, "/part", "aborted=Some(\"the client went away\")"),
        (Method::POST, "/silent", "undecided 0|allowed 0|aborted=Some(\""),
    ] {
        let mut client = Client::open(stage, 1, says).await;
        let (response, mut content) = client.ask(token, method.clone(), path);
        let (begun, waiting) = if path == "/part" {
            (Some(response.await.unwrap()), None)
        } else {
            (None, Some(response))
        };
        if method == Method::POST {
            content.send_data(Bytes::from_static(b"some"), false).unwrap();
        }
        let client_address = stage.sent.last().unwrap().0;
        ended::wait_begun(client_address, 1).await;
        content.send_reset(Reason::CANCEL);
        drop((begun, waiting));
        ended::wait(client_address, 1).await;
        client.goes().await;
    }
    // The connection goes, with several.
    let mut client = Client::open(stage, 3, "undecided 0|allowed 0|allowed 200").await;
    let waiting =
        (client.ask(token, Method::GET, "/silent"), client.ask(token, Method::POST, "/silent"));
    let (part, _content) = client.ask(token, Method::GET, "/part");
    let begun = part.await.unwrap();
    ended::wait_begun(stage.sent.last().unwrap().0, 3).await;
    client.goes().await;
    drop((waiting, begun));
    // The upstream breaks off.
    let mut client = Client::open(stage, 1, "aborted=Some(\"").await;
    assert_eq!(client.whole(token, Method::GET, "/broken").await, None);
    client.goes().await;
}
