//! The end of a certificate, seen before it comes.

use std::fmt;
use std::time::Duration;

use magicproxy_proxy::clock;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;

/// The time before the end of a certificate from which there is a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The end of a certificate, and the time at which somebody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CertificateEnd {
    /// Both in seconds since 1970.
    end: u64,
    now: u64,
}

impl CertificateEnd {
    /// Reads the end from a certificate in DER, for now; `None` for another thing.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let end = certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        Some(Self { end, now: clock::now().0 })
    }

    /// True if the end is near, or over.
    pub(crate) fn is_soon(self) -> bool {
        self.end.saturating_sub(self.now) < SOON.as_secs()
    }
}

impl fmt::Display for CertificateEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |seconds: u64| seconds / 3_600;
        match self.end.checked_sub(self.now) {
            None => write!(formatter, "expired {} hours ago", hours(self.now - self.end)),
            Some(left) => write!(formatter, "expires in {} hours", hours(left)),
        }
    }
}
