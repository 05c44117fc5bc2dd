//! Certificates, and clients that speak TLS.

use std::sync::Arc;

use magicproxy_proxy::listener::tls::{TlsIdentity, TlsServer};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Duplex, Proxy, soon};

/// A self-signed certificate for `proxy.test` and 127.0.0.1, and its key.
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let pair = KeyPair::generate().unwrap();
        let params =
            CertificateParams::new(vec!["proxy.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let der = params.self_signed(&pair).unwrap().der().clone();
        Self { der, key: PrivateKeyDer::try_from(pair.serialize_der()).unwrap() }
    }

    pub(crate) fn identity(&self) -> TlsIdentity {
        TlsIdentity::new(vec![self.der.clone()], self.key.clone_key()).unwrap()
    }

    pub(crate) fn server(&self) -> Arc<TlsServer> {
        TlsServer::new(Some(self.identity())).unwrap()
    }

    /// A client that trusts this certificate and asks for these protocols.
    pub(crate) fn client(&self, protocols: &[&str]) -> TlsClient {
        self.client_of(rustls::ALL_VERSIONS, protocols)
    }

    /// The same with these versions of TLS.
    pub(crate) fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.enable_early_data = true;
        TlsClient { connector: TlsConnector::from(Arc::new(config)), name: "proxy.test" }
    }
}

/// Somebody who connects with TLS.
pub(crate) struct TlsClient {
    connector: TlsConnector,
    name: &'static str,
}

impl TlsClient {
    /// Asks for another name, or (an address) for none.
    pub(crate) fn asking_for(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) async fn connect(&self, proxy: &Proxy) -> TlsStream<TcpStream> {
        self.try_connect(proxy).await.unwrap()
    }

    pub(crate) async fn try_connect(&self, proxy: &Proxy) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = soon(TcpStream::connect(proxy.address)).await.unwrap();
        self.handshake(stream).await
    }

    /// Over a connection that is there.
    pub(crate) async fn speak<S: Duplex>(&self, stream: S) -> TlsStream<S> {
        self.handshake(stream).await.unwrap()
    }

    async fn handshake<S: Duplex>(&self, stream: S) -> std::io::Result<TlsStream<S>> {
        soon(self.connector.connect(ServerName::try_from(self.name).unwrap(), stream)).await
    }

    /// The bytes that a handshake begins with.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        self.begin().write_tls(&mut hello).unwrap();
        hello
    }

    /// Did the last ticket allow data before the end of the handshake?
    pub(crate) fn may_send_early_data(&self) -> bool {
        self.begin().early_data().is_some()
    }

    /// A connection that nobody drives.
    pub(crate) fn begin(&self) -> rustls::ClientConnection {
        let name = ServerName::try_from(self.name).unwrap();
        rustls::ClientConnection::new(Arc::clone(self.connector.config()), name).unwrap()
    }
}
