use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor as _;

use super::*;
use crate::admission::PeerKey;
use crate::downstream::connections::{Connections, PeerShare};
use crate::settings::Limits;

/// One of HTTP/1 that no request has come on.
pub(crate) fn connection() -> Arc<Connection> {
    let slot =
        Connections::new(&Limits::default()).open(PeerKey::Unknown, PeerShare::Counted).unwrap();
    let client = ConnectedClient {
        address: None,
        account: Arc::default(),
        slot,
        stopped: watch::channel(None).1,
        metrics: Arc::default(),
    };
    Connection::new(client, Arc::default(), Protocol::Http1, WorkerId::new(0))
}

/// A chunked request with these further fields, as hyper gives it: without its `Content-Length`.
fn chunked(fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post("/").header("transfer-encoding", "chunked");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

#[track_caller]
fn check(raw: &[u8], fields: &[(&str, &str)], expected: Option<bool>) {
    let connection = connection();
    connection.scan(raw);
    assert_eq!(connection.has_content_length(&chunked(fields)), expected);
    assert_eq!(
        connection.has_content_length(&chunked(fields)),
        None,
        "what was read belongs to one request"
    );
}

#[test]
fn finds_a_content_length_that_the_library_dropped() {
    check(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", &[], Some(false));
    check(b"\r\n\nPOST / HTTP/1.1\nTransfer-Encoding: chunked\n\n", &[], Some(false));
    check(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-lengTH: 5\r\n\r\n",
        &[],
        Some(true),
    );
    check(b"POST / HTTP/1.1\nContent-Length: 5\nTransfer-Encoding: chunked\n\n", &[], Some(true));
}

#[test]
fn does_not_take_a_part_of_a_head_for_one() {
    // The first half, with a Content-Length, came while another exchange was in progress.
    let half = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(half, &[("x", "POST / HTTP/1.1")], None);
    check(b"POST / HTTP/1.1\r\nTransfer-Enc", &[], None);
    check(b"ing: chunked\r\n\r\n", &[], None);
    check(b"", &[], None);
}

#[test]
fn sees_the_head_however_much_body_comes_with_it() {
    let mut raw = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n".to_vec();
    raw.resize(0x40000, b'a');
    check(&raw, &[], Some(false));
}

#[test]
fn a_head_in_pieces_is_the_same_head() {
    for raw in [
        "\r\nPOST / HTTP/1.1\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\nA: b\nT: c\n\nmore",
    ] {
        let connection = connection();
        for byte in raw.as_bytes() {
            connection.scan(&[*byte]);
        }
        assert_eq!(connection.has_content_length(&chunked(&[("a", "b")])), Some(false), "{raw:?}");
    }
    let connection = connection();
    let raw = b"POST / HTTP/1.1\r\nContent-Length \t: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    raw.chunks(3).for_each(|piece| connection.scan(piece));
    assert_eq!(connection.has_content_length(&chunked(&[])), Some(true));
}

#[test]
fn does_not_take_one_field_for_another() {
    for name in
        ["X-Content-Length", "Content-Lengthy", "Content-Lengt", "Content-Length-Content-Length"]
    {
        check(
            format!("POST / HTTP/1.1\r\n{name}: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
            &[(name, "5")],
            Some(false),
        );
    }
    // A method that is not the request's, or only begins like it.
    for method in ["GET", "POSTS", "POS", &"POST".repeat(9)] {
        check(
            format!("{method} / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").as_bytes(),
            &[],
            None,
        );
    }
}

#[test]
fn scans_no_head_that_nobody_asks_for() {
    #[track_caller]
    fn check(raw: &str, scanned: bool) {
        let connection = connection();
        connection.scan(raw.as_bytes());
        assert_eq!(
            !connection.head.as_ref().unwrap().lock().unwrap().is_fresh(),
            scanned,
            "{raw:?}"
        );
    }
    check("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\n\r\n", false);
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n", false);
    check("GET / HTTP/1.1\r\nHost: a\r\n", true);
    check("GET / HTTP/1.1\r\ntransfer-Encoding: chunked\r\n\r\n", true);
    check("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", true);
}

/// Runs a stream whose every poll comes to `activity`, until it is ended.
async fn ended(activity: impl Fn() + Send + Sync + 'static) {
    let (alive, ended) = tokio::sync::oneshot::channel::<()>();
    Streams { idle: Duration::from_millis(20), refusal: Duration::from_millis(20) }.execute(
        async move {
            let _alive = alive;
            std::future::poll_fn(|_| {
                activity();
                Poll::<()>::Pending
            })
            .await;
        },
    );
    assert!(ended.await.is_err(), "nothing is ever sent");
}

#[tokio::test]
async fn ends_a_stream_whose_client_takes_nothing() {
    ended(|| {}).await;
}

#[tokio::test]
async fn leaves_a_stream_that_waits_for_others() {
    // Streams that take nothing, one after the other, as the clock.
    let several = async {
        for _ in 0..10 {
            ended(|| {}).await;
        }
    };
    tokio::select! {
        () = ended(|| assert!(noted(Poll::<()>::Pending).is_pending())) => panic!("it waits for others"),
        () = several => {}
    }
}
