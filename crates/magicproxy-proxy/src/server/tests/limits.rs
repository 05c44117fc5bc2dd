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
    // What has no response has none in whatever time; a response's head has to be there before that is over, on whatever machine.
    let mut total = Duration::from_millis(200);
    while !is_begun_within(total).await {
        total *= 2;
    }
}

/// Requests that take longer than that in all; says whether all of them that have a response at the API had its head in time.
async fn is_begun_within(total: Duration) -> bool {
    const TOO_LATE: &str = "exchange_timeout 504";
    let mut stage = Stage::with(|settings| {
        settings.timeouts.total = Some(total);
        settings.timeouts.drain = Duration::ZERO;
    })
    .await;
    let mut all_begun = true;
    for (line, fields, begun) in [
        ("GET /silent", CLOSE, None),
        ("GET /part", CLOSE, Some("aborted=Some(\"")),
        // The client should send more.
        ("POST /silent", "Content-Length: 9\r\nConnection: close\r\n", None),
        ("GET /ws", HANDSHAKE, Some("tunnel=Some((0, \"total\"))")),
    ] {
        let mut stream = stage.send(&[stage.request(line, fields)], TOO_LATE).await;
        let mut head = Vec::new();
        // However long the proxy waits for more: the response is there.
        assert!(read_head(&mut stream, &mut head).await);
        if let Some(begun) = begun {
            if head.starts_with(b"HTTP/1.1 504") {
                all_begun = false;
            } else {
                stage.sent.last_mut().unwrap().2 = begun;
                // Of some, the connection is broken off.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    }
    stage.ended(()).await;
    all_begun
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
    // It has its response's head, and so the connection.
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
    // A response that comes before the end of the request.
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
