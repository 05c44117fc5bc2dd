//! A certificate from an ACME server (RFC 8555), by the challenge TLS-ALPN-01 (RFC 8737): the
//! server connects to the clients' own listener, so no further port is needed.
//!
//! Account and certificate are kept in a folder. Without a certificate handshakes fail; a
//! certificate once obtained stays until the next one, whatever goes wrong.

mod cache;
mod http;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use magicproxy_proxy::clock;
use magicproxy_proxy::https::HttpsConnector;
use magicproxy_proxy::listener::tls::{TlsIdentity, TlsServer};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls_pki_types::PrivateKeyDer;

use self::http::AcmeHttp;
use cache::{Cache, CachedCertificate};
use magicproxy_config::config::tls::AcmeSettings;

/// The time limit of a whole order.
const ORDER_LIMIT: Duration = Duration::from_secs(300);
const RETRIES: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// The shortest wait between attempts: servers limit failures to a few an hour.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);
/// The time between two checks whether to renew.
const CHECK: Duration = Duration::from_secs(60 * 60);

/// A client of an ACME server that orders certificates, and renews them in time.
#[derive(Debug)]
pub(crate) struct Acme {
    settings: AcmeSettings,
    cache: Cache,
    connector: HttpsConnector,
    /// The time to replace the certificate in use, in seconds since 1970.
    renew_at: u64,
}

impl Acme {
    /// Prepares the client, and reads the certificate of an earlier run.
    pub(super) fn open(settings: AcmeSettings) -> anyhow::Result<(Self, Option<TlsIdentity>)> {
        let cache = Cache::open(&settings)?;
        let connector = HttpsConnector::new(settings.extra_roots.clone())
            .context("TLS towards the ACME server cannot be set up")?;
        let cached = cache.certificate().filter(|cached| clock::now().0 < cached.expires_at);
        let renew_at = cached.as_ref().map_or(0, CachedCertificate::renew_at);
        Ok((Self { settings, cache, connector, renew_at }, cached.map(|cached| cached.identity)))
    }

    /// Describes the certificate's state, for the start of the proxy.
    pub(super) fn note(&self) -> String {
        let state = if self.renew_at == 0 { "; until it comes, handshakes fail" } else { "" };
        let host = self.settings.directory.host().unwrap_or_default();
        format!(
            "TLS with a certificate from {host} for {}{state}",
            self.settings.domains.join(", ")
        )
    }

    /// Orders a certificate when due, and again until an order succeeds.
    pub(super) async fn run(mut self, server: &Arc<TlsServer>) {
        let mut wait = FIRST_WAIT;
        loop {
            if clock::now().0 < self.renew_at {
                tokio::time::sleep(CHECK).await;
                continue;
            }
            let ordered = tokio::time::timeout(ORDER_LIMIT, self.order(server)).await;
            server.clear_challenges();
            match ordered.unwrap_or_else(|_| {
                Err(anyhow::anyhow!("it took longer than {} s", ORDER_LIMIT.as_secs()))
            }) {
                Ok(cached) => {
                    wait = FIRST_WAIT;
                    self.renew_at = cached.renew_at();
                    server.replace(cached.identity);
                    tracing::info!(name: "certificate_renewed", target: "magicproxy::tls::acme",
                        "a new certificate for {} has come", self.settings.domains.join(", "));
                }
                Err(error) => {
                    let domains = self.settings.domains.join(", ");
                    tracing::error!(name: "certificate_not_renewed", target: "magicproxy::tls::acme",
                        "no certificate for {domains}, trying again in {} s: {error:#}", wait.as_secs());
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    async fn order(&self, server: &TlsServer) -> anyhow::Result<CachedCertificate> {
        let account = self.account().await.context("the account")?;
        let names: Vec<Identifier> =
            self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await.context("the order")?;
        show_control(&mut order, server).await?;
        let status = order.poll_ready(&RETRIES).await.context("the challenge")?;
        if status != OrderStatus::Ready {
            bail!(
                "the server could not see who controls the names: the order is {status:?}, port 443 of each must lead here"
            );
        }
        let key = KeyPair::generate().context("a new key")?;
        let mut params =
            CertificateParams::new(self.settings.domains.clone()).context("the names")?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).context("the certificate request")?;
        order.finalize_csr(request.der()).await.context("the certificate request")?;
        let chain = order.poll_certificate(&RETRIES).await.context("the certificate")?;
        self.cache.keep(&chain, &key)
    }

    /// Returns the account of an earlier run, or makes a new account.
    async fn account(&self) -> anyhow::Result<Account> {
        let builder =
            || Account::builder_with_http(Box::new(AcmeHttp::new(self.connector.clone())));
        if let Some(credentials) = self.cache.account()? {
            return Ok(builder().from_credentials(credentials).await?);
        }
        let contact: Vec<&str> = self.settings.contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) =
            builder().create(&new, self.settings.directory.to_string(), None).await?;
        self.cache.keep_account(&credentials)?;
        Ok(account)
    }
}

/// Shows control of each name with a challenge still open.
async fn show_control(order: &mut Order, server: &TlsServer) -> anyhow::Result<()> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.context("the authorization")?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .context("the server knows no TLS-ALPN-01")?;
        let name = challenge.identifier().to_string();
        server.set_challenge(&name, challenge_certificate(&name, &challenge)?);
        challenge.set_ready().await.with_context(|| format!("the challenge for `{name}`"))?;
    }
    Ok(())
}

/// Makes a certificate that only the account's owner could make (RFC 8737 section 3).
fn challenge_certificate(
    name: &str,
    challenge: &ChallengeHandle<'_>,
) -> anyhow::Result<TlsIdentity> {
    let digest = challenge.key_authorization().digest();
    let mut params =
        CertificateParams::new(vec![name.to_owned()]).context("the challenge's name")?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let key = KeyPair::generate().context("a new key")?;
    let certificate = params.self_signed(&key).context("the challenge's certificate")?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok(TlsIdentity::for_challenge(certificate.der().clone(), key)?)
}
