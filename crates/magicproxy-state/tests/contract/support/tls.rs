//! TLS before a server that speaks none: the Valkey of the tests is built without.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

pub(crate) struct TlsFront {
    pub(crate) port: u16,
    /// The certificate of whoever signed the server's, in PEM form.
    pub(crate) authority: String,
}

impl TlsFront {
    /// Passes on what comes, until the test process ends.
    pub(crate) fn start(socket: PathBuf) -> Self {
        let (authority, config) = identity();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            super::block_on(async move {
                let acceptor = TlsAcceptor::from(Arc::new(config));
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (acceptor, socket) = (acceptor.clone(), socket.clone());
                    tokio::spawn(async move {
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let mut server = tokio::net::UnixStream::connect(socket).await.unwrap();
                        drop(tokio::io::copy_bidirectional(&mut stream, &mut server).await);
                    });
                }
            });
        });
        Self { port, authority }
    }

    pub(crate) fn authority_of_somebody_else() -> String {
        identity().0
    }
}

fn identity() -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    (authority.pem(), config)
}
