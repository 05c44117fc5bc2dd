//! Trust in upstreams' certificates: certificates signed by the platform's authorities or the
//! operator's, and a server's own certificate where the operator lists the certificate.
//!
//! `openssl req -x509` makes a server's certificate that is an authority's too. Path building
//! refuses such a certificate at the end of a path, though the operator gave exactly this
//! certificate. The operator trusts the listed certificate, byte for byte; the certificate must
//! still be for the host, be valid now, and not be for other uses only, and the server must have
//! the certificate's key.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::ExtendedKeyUsage;

/// `id-kp-serverAuth` and `anyExtendedKeyUsage`, RFC 5280 section 4.2.1.12.
const SERVER_USES: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
];

/// Makes a client configuration of TLS 1.2 and 1.3, with the platform's roots and the operator's.
///
/// # Errors
/// Returns an error if there are no roots at all, or if one of the operator's roots cannot be read.
pub(crate) fn client_config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots.iter().cloned(), Arc::clone(&provider))?;
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let verifier = ListedVerifier { by_authorities: verifier, listed: roots };
    Ok(config
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Returns the numbers, from 1 on, of roots that cannot be read as a certificate to trust.
pub(crate) fn unreadable(roots: &[CertificateDer<'static>]) -> impl Iterator<Item = usize> {
    let fits = |root: &CertificateDer<'static>| RootCertStore::empty().add(root.clone()).is_ok();
    roots.iter().zip(1..).filter(move |(root, _)| !fits(root)).map(|(_, number)| number)
}

/// Verifier that accepts certificates signed by authorities, and certificates that the operator
/// lists.
#[derive(Debug)]
struct ListedVerifier {
    by_authorities: Verifier,
    listed: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for ListedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.by_authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verdict {
            Err(error)
                if is_of_issuer(&error)
                    && self.listed.iter().any(|listed| listed == end_entity) =>
            {
                verify_listed(end_entity, server_name, now, error)
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authorities.supported_verify_schemes()
    }
}

/// True if only the issuer of the certificate is wrong, as far as was checked.
fn is_of_issuer(error: &Error) -> bool {
    match error {
        // Signed by another authority of the same name, which did not issue the certificate either.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => true,
        Error::InvalidCertificate(error) => is_authority_as_server(error),
        _ => false,
    }
}

/// Verifies everything that does not depend on the issuer. A certificate that cannot be read is
/// refused with the verdict of the authorities.
fn verify_listed(
    end_entity: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
    verdict: Error,
) -> Result<ServerCertVerified, Error> {
    let Ok(certificate) = Certificate::from_der(end_entity) else { return Err(verdict) };
    let validity = certificate.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    match certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>() {
        Ok(None) => {}
        Ok(Some((_, uses))) if uses.0.iter().any(|purpose| SERVER_USES.contains(purpose)) => {}
        Ok(Some(_)) => return Err(CertificateError::InvalidPurpose.into()),
        Err(_) => return Err(verdict),
    }
    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
    Ok(ServerCertVerified::assertion())
}

/// True if the certificate is an authority's own, as a self-signed certificate is unless the
/// certificate says otherwise.
pub(crate) fn is_authority_as_server(error: &CertificateError) -> bool {
    // webpki has no plainer word for this error.
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}
