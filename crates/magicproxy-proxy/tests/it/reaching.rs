//! The way to an upstream: addresses that are dead, handshakes that fail, certificates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use magicproxy_proxy::settings::ApiRoot;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion, WantsVersions};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::Setup;
use crate::support::{Client, ClientResponse, OnlyUpstream as _, Proxy, Token, request, settings};

/// What `openssl req -x509` makes for a server: its certificate is an authority's too.
pub(crate) struct SelfSigned {
    pub(crate) der: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

impl SelfSigned {
    pub(crate) fn new() -> Self {
        Self::serving(|builder, _| {
            builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth()
        })
    }

    /// Of a server that speaks this version of TLS, and asks for a certificate of its clients.
    fn asking(version: &'static SupportedProtocolVersion, must: Must) -> Self {
        Self::serving(|builder, own| {
            let mut roots = RootCertStore::empty();
            roots.add(own.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(
                roots.into(),
                builder.crypto_provider().clone(),
            );
            let verifier =
                if must == Must::No { verifier.allow_unauthenticated() } else { verifier };
            builder
                .with_protocol_versions(&[version])
                .unwrap()
                .with_client_cert_verifier(verifier.build().unwrap())
        })
    }

    fn serving(
        build: impl FnOnce(
            ConfigBuilder<ServerConfig, WantsVersions>,
            &CertificateDer<'static>,
        ) -> ConfigBuilder<ServerConfig, WantsServerCert>,
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = build(builder, &der);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![der.clone()], key).unwrap();
        Self { der, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// Does a client have to show a certificate?
#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    Yes,
    No,
}

/// Answers the request on a connection, and ends it.
async fn response(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut bytes = [0; 4096];
    if let Ok(1..) = stream.read(&mut bytes).await {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
            .await;
        let _ = stream.shutdown().await;
    }
}

/// Serves with this certificate, and counts its connections.
pub(crate) fn serve(listener: TcpListener, certificate: &SelfSigned) -> Arc<AtomicUsize> {
    let (count, acceptor) = (Arc::<AtomicUsize>::default(), certificate.acceptor.clone());
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    response(stream).await;
                }
            });
        }
    });
    count
}

/// Meets every connection with these bytes and an end, and counts them.
fn interrupt(listener: TcpListener, bytes: &'static [u8]) -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(bytes).await;
            });
        }
    });
    count
}

async fn proxy(root: &str, change: impl FnOnce(&mut Setup)) -> Proxy {
    let mut settings = settings("127.0.0.1:1".parse().unwrap(), "");
    settings.upstream_mut().api_root = ApiRoot::parse(root).unwrap();
    change(&mut settings);
    Proxy::start(settings).await
}

async fn ask(proxy: &Proxy) -> ClientResponse {
    Client::ask(proxy, request("GET /a", &Token::any(), &["Connection: close"], "")).await
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_where_it_is_listed() {
    let certificate = SelfSigned::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let root = format!("https://{}", listener.local_addr().unwrap());
    serve(listener, &certificate);
    let proxy = proxy(&root, |settings| {
        settings.upstream_mut().extra_roots = vec![certificate.der.clone()]
    })
    .await;
    assert_eq!(ask(&proxy).await.text(), "hi");
    let another = SelfSigned::new();
    let proxy = self::proxy(&root, |settings| {
        settings.upstream_mut().extra_roots = vec![another.der.clone()]
    })
    .await;
    let refused = ask(&proxy).await;
    refused.assert_rejected(502, "upstream_tls");
    assert!(refused.text().contains("certificate"), "{}", refused.text());
}

/// Each in words of its own, none of which blames a certificate.
#[tokio::test]
async fn handshakes_that_fail_say_why() {
    /// ServerHello of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA.
    const TLS_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
        \x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\
        \x00\x00\x2f\x00";
    for (bytes, code, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "upstream_tls",
            "does not speak TLS (is its API root `http://`?)",
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "upstream_tls", "does not speak TLS"),
        (b"220 mail.test ESMTP\r\n", "upstream_tls", "does not speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "upstream_tls", "(alert `handshake_failure`)"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "upstream_tls", "it takes neither TLS 1.2 nor TLS 1.3"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "upstream_tls", "(alert `unrecognized_name`)"),
        (TLS_1_1, "upstream_tls", "neither TLS 1.2 nor TLS 1.3"),
        (b"", "upstream_unreachable", "closed the connection before it could be used"),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let root = format!("https://{}", listener.local_addr().unwrap());
        interrupt(listener, bytes);
        let proxy = proxy(&root, |_| ()).await;
        let refused = ask(&proxy).await;
        refused.assert_rejected(502, code);
        assert!(
            refused.text().contains(words) && !refused.text().contains("certificate"),
            "{words}: {}",
            refused.text()
        );
    }
}

/// With TLS 1.3 a server's alert about the client's certificate comes when the client has sent its request.
#[tokio::test]
async fn an_upstream_that_wants_a_certificate_of_its_client_is_told_as_such() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for must in [Must::No, Must::Yes] {
            let certificate = SelfSigned::asking(version, must);
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let root = format!("https://{}", listener.local_addr().unwrap());
            let connections = serve(listener, &certificate);
            let proxy = proxy(&root, |settings| {
                settings.upstream_mut().extra_roots = vec![certificate.der.clone()]
            })
            .await;
            let response = ask(&proxy).await;
            if must == Must::No {
                assert_eq!(response.text(), "hi", "{version:?}");
                continue;
            }
            response.assert_rejected(502, "upstream_tls");
            assert!(
                response.text().contains("(alert `certificate_required`): it wants a certificate"),
                "{}",
                response.text()
            );
            assert_eq!(connections.load(Ordering::SeqCst), 1);
        }
    }
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_told_from_a_dead_host() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let root = format!("https://{}", listener.local_addr().unwrap());
    let limit = std::time::Duration::from_millis(300);
    let proxy = proxy(&root, |settings| settings.timeouts.connect = limit).await;
    let refused = ask(&proxy).await;
    refused.assert_rejected(504, "upstream_connect_timeout");
    assert!(refused.text().contains("does not answer the TLS handshake"), "{}", refused.text());
}

/// Listeners on both loopback addresses, at one port; none where there is no IPv6.
async fn both_loopbacks() -> Option<[TcpListener; 2]> {
    for _ in 0..20 {
        let of_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.ok()?;
        let port = of_ipv6.local_addr().unwrap().port();
        if let Ok(of_ipv4) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Some([of_ipv4, of_ipv6]);
        }
    }
    None
}

/// An address that takes connections and ends them before TLS is agreed on costs no request, and is not tried first again; the
/// connection counts once, however many addresses were tried.
#[tokio::test]
async fn an_address_that_ends_handshakes_is_passed_over() {
    let certificate = SelfSigned::new();
    for dead_is_ipv6 in [false, true] {
        let Some([of_ipv4, of_ipv6]) = both_loopbacks().await else { return };
        let (good, dead) = if dead_is_ipv6 { (of_ipv4, of_ipv6) } else { (of_ipv6, of_ipv4) };
        let root = format!("https://localhost:{}", good.local_addr().unwrap().port());
        let (good, dead) = (serve(good, &certificate), interrupt(dead, b""));
        let proxy = proxy(&root, |settings| {
            settings.upstream_mut().extra_roots = vec![certificate.der.clone()];
            settings.limits.upstream_connections_per_origin = 1;
        })
        .await;
        for _ in 0..3 {
            assert_eq!(ask(&proxy).await.text(), "hi", "dead_is_ipv6: {dead_is_ipv6}");
        }
        assert_eq!(good.load(Ordering::SeqCst), 3);
        assert!(dead.load(Ordering::SeqCst) <= 1, "it is tried once at the most");
    }
}

/// An API on one of the loopback addresses alone, by the name of both.
#[tokio::test]
async fn an_api_on_one_loopback_address_is_reached_by_the_name_localhost() {
    for host in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let Ok(listener) = TcpListener::bind(SocketAddr::new(host, 0)).await else { continue };
        let root = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream: TcpStream = stream;
                tokio::spawn(response(stream));
            }
        });
        let proxy = proxy(&root, |_| ()).await;
        assert_eq!(ask(&proxy).await.text(), "hi", "{host}");
    }
}
