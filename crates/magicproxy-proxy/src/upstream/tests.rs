//! Kept connections whose end lies in the socket before the runtime has heard of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::admission::{Account, Budget, Payer, Resource};
use crate::settings::{Placing, fixture};

/// An origin, and who waits there.
struct Stage {
    origin: Origin,
    place: Holding,
    /// Tells the server to end its connection, and hears when it has.
    end: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl Stage {
    /// The server answers one request, and ends its connection when it is told to.
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let upstream = fixture::upstream("api", &format!("http://{}", listener.local_addr().unwrap()), Placing::default());
        let settings = fixture::settings(vec![Arc::clone(&upstream)]);
        let sockets = Sockets::new(settings.limits.upstream_connections.total);
        let origin = Origin::new(&settings, &upstream, &upstream.api_root, &sockets).unwrap();
        let place =
            Budget::new(&settings.limits).take(Resource::Exchanges, 1, &Payer::anonymous(Arc::<Account>::default())).unwrap();
        let ((end, told), (done, ended)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            answer(&mut stream);
            let () = told.recv().unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
            done.send(()).unwrap();
        });
        Self { origin, place, end, ended }
    }

    async fn lease(&self) -> Lease {
        self.origin
            .acquire(Need { worker: 0, kind: Kind::Any, payload: Payload::None }, &self.place)
            .await
            .unwrap_or_else(|_| panic!("no connection"))
    }
}

fn answer(stream: &mut TcpStream) {
    let (mut read, mut buffer) = (0, [0; 4096]);
    while !buffer[..read].ends_with(b"\r\n\r\n") {
        read += stream.read(&mut buffer[read..]).unwrap();
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
}

fn request(method: Method) -> Request<RequestBody> {
    Request::builder().method(method).uri("/").body(RequestBody::empty()).unwrap()
}

fn plain() -> Sending {
    Sending { memory: None, upload: None, given_up: None }
}

/// This thread runs all of the runtime, and waits for the server without it: the runtime has no chance to hear of the end.
#[tokio::test]
async fn an_end_that_nobody_has_heard_of_is_seen_before_a_request_is_written() {
    let stage = Stage::new();
    let mut lease = stage.lease().await;
    let sent = lease.connection().unwrap().send(request(Method::GET), plain());
    assert!(sent.await.is_ok());
    lease.give_back();
    let mut lease = stage.lease().await;
    assert_eq!(lease.pooled, Pooled::Yes);
    stage.end.send(()).unwrap();
    stage.ended.recv().unwrap();
    let connection = lease.connection().unwrap();
    assert!(connection.is_ready().await, "the runtime has heard of it: this test tests nothing");
    connection.look_first();
    let sent = connection.send(request(Method::POST), plain());
    assert!(matches!(sent.await, Err(SendError::NotSent(_))));
}
