//! Endings that a limit brings, or a client that sends or waits otherwise than most.

use std::time::Duration;

use super::*;

pub(super) async fn every_ending() {
    in_little_time().await;
    while_one_waits_for_a_connection().await;
    as_the_proxy_stops().await;
}

/// No exchange may take long.
async fn in_little_time() {
    let mut stage = Stage::with(|settings| {
        settings.timeouts.total = Some(Duration::from_millis(200));
        settings.timeouts.drain = Duration::ZERO;
    })
    .await;
    for (line, says) in [
        ("GET /silent", "exchange_timeout 504"),
        ("GET /part", "aborted=Some(\""),
        // The client should send more.
        ("POST /silent", "exchange_timeout 504"),
    ] {
        let content = if line.starts_with("POST") { "Content-Length: 9\r\n" } else { "" };
        // However long the proxy waits for more: the answer is there.
        let mut stream = stage.send(&[stage.request(line, &format!("{content}{CLOSE}"))], says).await;
        assert!(read_head(&mut stream, &mut Vec::new()).await);
    }
    let tunnel = stage.request("GET /ws", HANDSHAKE);
    stage.ask(&[tunnel], "tunnel=Some((0, \"total\"))").await;
    stage.ended(()).await;
}

/// The one connection to the upstream is taken.
async fn while_one_waits_for_a_connection() {
    let mut stage = Stage::with(|settings| {
        settings.limits.upstream_connections_per_origin = 1;
        settings.timeouts.drain = Duration::ZERO;
    })
    .await;
    let part = stage.request("GET /part", "");
    let mut first = stage.send(&[part], "aborted=Some(\"the client went away\")").await;
    // It has its answer's head, and so the connection.
    assert!(read_head(&mut first, &mut Vec::new()).await);
    let waiting = stage.request("GET /whole", "");
    drop(stage.begin(waiting.clone(), "undecided 0|allowed 0").await);
    let page = "Origin: https://page.example\r\nAccess-Control-Request-Method: GET\r\n";
    let preflight = format!("OPTIONS /whole HTTP/1.1\r\nHost: api\r\n{page}{CLOSE}\r\n");
    stage.ask(&[preflight], "preflight 204").await;
    let second = stage.begin(waiting, "undecided 0|allowed 0").await;
    stage.ended((first, second)).await;
}

/// What is in progress when the time is over in which a proxy stops.
async fn as_the_proxy_stops() {
    let mut stage = Stage::with(|settings| settings.timeouts.drain = Duration::ZERO).await;
    // An answer that comes before the end of the request.
    let early = stage.request("POST /whole", "Content-Length: 100\r\n");
    stage.leave(early + "some", "hello", "allowed 200").await;
    let part = stage.request("GET /part", "");
    let mut first = stage.send(&[part], "allowed 200").await;
    assert!(read_head(&mut first, &mut Vec::new()).await);
    let tunnel = stage.request("GET /ws", HANDSHAKE);
    let mut second = stage.send(&[tunnel], "allowed 101").await;
    assert!(read_head(&mut second, &mut Vec::new()).await);
    // The client goes before the upstream has agreed to a tunnel.
    let late = stage.request("GET /ws-late", HANDSHAKE);
    drop(stage.begin(late.clone(), "undecided 0|allowed 0|client_gone").await);
    let third = stage.begin(late, "undecided 0|allowed 0").await;
    stage.ended((first, second, third)).await;
}
