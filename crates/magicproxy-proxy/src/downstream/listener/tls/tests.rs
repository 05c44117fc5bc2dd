use rcgen::{CertificateParams, KeyPair};

use super::*;

fn certificate(pair: &KeyPair) -> CertificateDer<'static> {
    CertificateParams::new(vec!["proxy.test".to_owned()])
        .unwrap()
        .self_signed(pair)
        .unwrap()
        .der()
        .clone()
}

fn key(pair: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(pair.serialize_der()).unwrap()
}

#[track_caller]
fn check(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    expected: TlsIdentityError,
) {
    assert_eq!(TlsIdentity::new(chain, key).unwrap_err(), expected);
}

#[test]
fn a_key_must_be_that_of_the_first_certificate() {
    let (first, second) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    assert!(TlsIdentity::new(vec![certificate(&first), certificate(&second)], key(&first)).is_ok());
    check(vec![certificate(&first)], key(&second), TlsIdentityError::Mismatch);
    check(vec![certificate(&second), certificate(&first)], key(&first), TlsIdentityError::Mismatch);
    check(Vec::new(), key(&first), TlsIdentityError::NoCertificate);
    check(vec![CertificateDer::from(vec![0; 9])], key(&first), TlsIdentityError::Certificate);
    check(
        vec![certificate(&first)],
        PrivateKeyDer::Pkcs8(vec![0; 9].into()),
        TlsIdentityError::Key,
    );
}

#[test]
fn nothing_of_a_key_shows() {
    let pair = KeyPair::generate().unwrap();
    let identity = TlsIdentity::new(vec![certificate(&pair)], key(&pair)).unwrap();
    assert_eq!(format!("{identity:?}"), "TlsIdentity { certificates: 1, .. }");
    assert_eq!(format!("{:?}", TlsServer::new(Some(identity)).unwrap()), "TlsServer { .. }");
}
