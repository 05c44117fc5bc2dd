//! The self-signed `public.x509.cer` that the Python program expects beside the key. This proxy
//! only takes the key from it.

use std::time::Duration;

use anyhow::Context as _;
use magicproxy_core::PrivateKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

use super::NewKey;

/// The lifetime of a certificate, as in the Python program.
const LIFETIME: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
/// The longest common name (RFC 5280, `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

/// Makes a certificate in PEM with the host as its name.
pub(super) fn self_signed(key: &PrivateKey, new: NewKey<'_>) -> anyhow::Result<String> {
    let pair =
        KeyPair::from_pem(&key.to_pem()?).context("the new key cannot sign a certificate")?;
    let mut params = CertificateParams::new(vec![new.host.to_owned()])
        .with_context(|| format!("`{}` cannot be the name in a certificate", new.host))?;
    params.distinguished_name = DistinguishedName::new();
    let name = if new.host.len() <= MAX_COMMON_NAME { new.host } else { "magic-api-proxy" };
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(new.now.0);
    params.not_after = params.not_before + LIFETIME;
    Ok(params.self_signed(&pair).context("the new key cannot sign a certificate")?.pem())
}
