use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use http::Method;

use super::{AdminListener, AdminRequest};
use crate::runtime::wire;
use magicproxy_config::config::address::ListenAddress;

/// What comes of these bytes: the status and the text, or the error.
fn read(response: &'static str) -> Result<(u16, String), String> {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut asked = [0; 4096];
        let length = stream.read(&mut asked).unwrap();
        stream.write_all(response.as_bytes()).unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    let request = AdminRequest {
        method: Method::GET,
        path: "/healthz",
        accept: None,
        patience: Duration::from_secs(60),
    };
    let listener = AdminListener::at(ListenAddress::parse(&address).unwrap());
    let read = wire::runtime()
        .unwrap()
        .block_on(async { listener.ask(request).await?.text(8).await })
        .map(|text| (text.status.as_u16(), text.body))
        .map_err(|error| error.to_string());
    assert!(answering.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
    read
}

#[test]
fn a_response_has_a_status_and_a_length_and_nothing_else_is_one() {
    for (response, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok"))),
        ("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", Ok((503, "no"))),
        // What comes behind it is none of it.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", Ok((200, "ok"))),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", Err("the response broke off")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", Err("the response is too long")),
        ("HTTP/1.1 200 OK\r\n\r\nok", Err("the response is no HTTP")),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Err("the response is no HTTP"),
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Err("the response is no HTTP")),
        ("HTTP/1.1 200 OK\r\n", Err("the response is no HTTP")),
        ("SSH-2.0\r\n\r\n", Err("the response is no HTTP")),
        ("", Err("the response is no HTTP")),
    ] {
        let expected = expected.map(|(status, body)| (status, body.to_owned()));
        assert_eq!(read(response), expected.map_err(str::to_owned), "{response:?}");
    }
}
