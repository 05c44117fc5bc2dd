//! APIs behind a proxy of a company network: CONNECT, and nothing of the request for the proxy's eyes.

use std::sync::{Arc, Mutex};

use magicproxy_proxy::settings::{
    ApiRoot, EnvironmentProxies, NamedProxy, NoProxy, Outbound, OutboundProxy,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::reaching::{SelfSigned, serve};
use crate::support::Setup;
use crate::support::{
    CREDENTIAL, Client, ClientResponse, OnlyUpstream as _, Proxy, Token, Upstream, request,
    settings,
};

/// A proxy that answers CONNECT so, and where it says yes connects to the one origin that it knows.
struct Connecting {
    url: String,
    /// The heads that it was sent.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Connecting {
    async fn to(origin: &str, reply: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://me:pr%40xy@{}", listener.local_addr().unwrap());
        let (heads, origin) = (Arc::<Mutex<Vec<String>>>::default(), origin.to_owned());
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connect(stream, origin.clone(), reply, Arc::clone(&seen)));
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn outbound(&self) -> Outbound {
        Outbound::Fixed(Arc::new(OutboundProxy::parse(&self.url).unwrap()))
    }
}

async fn connect(
    mut stream: TcpStream,
    origin: String,
    reply: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
    let mut there = TcpStream::connect(origin).await.unwrap();
    if stream.write_all(reply.as_bytes()).await.is_ok() && reply.starts_with("HTTP/1.1 2") {
        let _ = copy_bidirectional(&mut stream, &mut there).await;
    }
}

const YES: &str = "HTTP/1.1 200 Connection established\r\nX-A: b\r\n\r\n";

async fn proxy(root: &str, change: impl FnOnce(&mut Setup)) -> Proxy {
    let mut settings = settings("127.0.0.1:1".parse().unwrap(), "");
    settings.upstream_mut().api_root = ApiRoot::parse(root).unwrap();
    change(&mut settings);
    Proxy::start(settings).await
}

async fn ask(proxy: &Proxy) -> ClientResponse {
    Client::ask(proxy, request("GET /a", &Token::any(), &[], "")).await
}

/// The name of the API is the proxy's to resolve; user and password go to the proxy, token and credential do not.
#[tokio::test]
async fn tls_is_spoken_with_the_api_through_the_proxy() {
    let certificate = SelfSigned::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = listener.local_addr().unwrap().to_string();
    serve(listener, &certificate);
    let between = Connecting::to(&origin, YES).await;
    for (root, target) in
        [("https://localhost", "localhost:443"), ("https://127.0.0.1:8443", "127.0.0.1:8443")]
    {
        let proxy = proxy(root, |settings| {
            settings.upstream_mut().extra_roots = vec![certificate.der.clone()];
            settings.upstream_mut().outbound = between.outbound();
        })
        .await;
        assert_eq!(ask(&proxy).await.text(), "hi", "{root}");
        let head = between.heads().pop().unwrap();
        // `me:pr@xy`.
        let expected = format!(
            "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: Basic bWU6cHJAeHk=\r\n\r\n"
        );
        assert_eq!(head, expected);
    }
}

#[tokio::test]
async fn plain_http_goes_through_it_too_and_its_password_goes_no_further() {
    let upstream = Upstream::hello().await;
    let between = Connecting::to(&upstream.address.to_string(), YES).await;
    let proxy = proxy("http://nowhere.invalid", |settings| {
        settings.upstream_mut().outbound = between.outbound()
    })
    .await;
    for _ in 0..2 {
        assert_eq!(ask(&proxy).await.text(), "hello");
    }
    let heads = between.heads();
    assert_eq!(heads.len(), 1, "the connection is kept");
    assert!(
        heads[0].starts_with("CONNECT nowhere.invalid:80 HTTP/1.1\r\n")
            && !heads[0].contains(CREDENTIAL),
        "{heads:?}"
    );
    let seen = upstream.requests();
    assert!(seen.iter().all(|seen| seen.all("proxy-authorization").is_empty()
        && seen.all("host") == ["nowhere.invalid"]));
}

/// Nothing of a request is sent to a proxy that does not connect, and its fault is not said to be the API's.
#[tokio::test]
async fn faults_of_the_proxy_are_told_as_such() {
    let upstream = Upstream::hello().await;
    let origin = upstream.address.to_string();
    for (reply, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "the outbound proxy wants a user and a password",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
            "refuses to connect to the upstream (status 403)",
        ),
        ("HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n", "(status 302)"),
        ("SSH-2.0-x\r\n\r\n", "does not answer CONNECT as an HTTP proxy does"),
        ("", "does not answer CONNECT as an HTTP proxy does"),
        (
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "does not answer CONNECT as an HTTP proxy does",
        ),
    ] {
        let between = Connecting::to(&origin, reply).await;
        let proxy = proxy("https://api.invalid", |settings| {
            settings.upstream_mut().outbound = between.outbound()
        })
        .await;
        let refused = ask(&proxy).await;
        refused.assert_rejected(502, "upstream_unreachable");
        assert!(refused.text().contains(words), "{words}: {}", refused.text());
        assert!(between.heads().iter().all(|head| head.starts_with("CONNECT ")));
    }
    let absent = Outbound::Fixed(Arc::new(OutboundProxy::parse("http://127.0.0.1:1").unwrap()));
    let proxy =
        proxy("https://api.invalid", |settings| settings.upstream_mut().outbound = absent).await;
    let refused = ask(&proxy).await;
    assert!(
        refused.text().contains("the outbound proxy refuses connections"),
        "{}",
        refused.text()
    );
}

/// The head of its response has so many bytes, and not one more.
#[tokio::test]
async fn the_head_of_a_proxys_response_has_64_kib() {
    let upstream = Upstream::hello().await;
    for (length, status) in [(64 * 1024, 200), (64 * 1024 + 1, 502)] {
        let bare = "HTTP/1.1 200 OK\r\nX-A: \r\n\r\n".len();
        let reply = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(length - bare));
        let between = Connecting::to(&upstream.address.to_string(), reply.leak()).await;
        let proxy = proxy("http://nowhere.invalid", |settings| {
            settings.upstream_mut().outbound = between.outbound()
        })
        .await;
        assert_eq!(ask(&proxy).await.status, status, "{length}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_that_is_not_used_is_hinted_at() {
    let named = NamedProxy {
        variable: "HTTPS_PROXY",
        proxy: Arc::new(OutboundProxy::parse("http://p:1").unwrap()),
    };
    let proxies = EnvironmentProxies {
        https: Some(named),
        http: None,
        except: NoProxy::parse("inside.invalid"),
    };
    for (root, hinted) in [
        ("https://api.invalid", true),
        ("https://inside.invalid", false),
        ("http://api.invalid", false),
    ] {
        let outbound = Outbound::DirectDespite(Arc::new(proxies.clone()));
        let proxy = proxy(root, |settings| settings.upstream_mut().outbound = outbound).await;
        let refused = ask(&proxy).await;
        refused.assert_rejected(502, "upstream_unreachable");
        assert_eq!(
            refused.text().contains("`HTTPS_PROXY` is set"),
            hinted,
            "{root}: {}",
            refused.text()
        );
    }
}
