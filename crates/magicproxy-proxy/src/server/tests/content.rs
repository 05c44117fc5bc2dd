//! How much of a client's content stands in the record of its request.

use super::*;

#[tokio::test]
async fn what_a_client_sent_is_counted() {
    let mut stage = Stage::new().await;
    for (fields, content, says) in [
        ("Content-Length: 6\r\n", "hello!", "in=6 "),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n3\r\nab!\r\n0\r\n\r\n", "in=8 "),
    ] {
        let request = stage.request("POST /taken", &format!("{fields}{CLOSE}"));
        stage.ask(&[request + content], says).await;
    }
    let none = stage.request("GET /whole", CLOSE);
    stage.ask(&[none], "in=0 ").await;
    // Of what is refused, nothing goes up.
    let refused = stage.request("POST /a//b", &format!("Content-Length: 6\r\n{CLOSE}"));
    stage.ask(&[refused + "hello!"], "in=0 ").await;
    stage.ended(()).await;
}
