//! Sources of credentials: from the secret opened by a permit to a credential for now.
//!
//! A token holds the credential itself, which lasts as long as the token. A source of another kind
//! would hold a secret of its own, exchanged at a token server for credentials that expire;
//! [`SourceRequest`] is all that such a source may send.

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use magicproxy_core::{Credential, TypedCredential, UnixTime};
use tokio::sync::{Mutex, OnceCell};

use super::attached::AttachedCredential;
use super::carriers::Carriers;
use crate::rejection::Rejection;
use crate::settings::{ApiRoot, CredentialCarrier};

/// The source of a token's credential, opened for a permitted request.
pub(crate) enum CredentialSource {
    /// The credential itself, held by the token.
    Static(AttachedCredential),
}

impl CredentialSource {
    /// Opens the source. `carrier` is the operator's choice of a place for the credential,
    /// `carriers` are the fields among which the minter may choose.
    ///
    /// # Errors
    /// The credential does not fit the upstream.
    pub(crate) fn new(
        opened: &TypedCredential,
        carrier: &CredentialCarrier,
        carriers: &Carriers,
    ) -> Result<Self, Rejection> {
        AttachedCredential::new(opened, carrier, carriers).map(Self::Static)
    }

    /// Returns the credential for now.
    pub(crate) fn give(self) -> IssuedCredential {
        match self {
            Self::Static(credential) => {
                IssuedCredential { credential: Arc::new(credential), expires_at: None }
            }
        }
    }
}

/// A source's own request to its token server.
///
/// INVARIANT: holds the source's own secret, for the source's own URL, both fixed before any
/// request came. Nothing of a client's request is a part, and nothing else may be sent on behalf of
/// a source. No source has a server yet, so nobody makes a value:
///
/// ```compile_fail,E0451
/// let forged = magicproxy_proxy::source::SourceRequest { url: todo!(), secret: todo!() };
/// ```
///
/// Least of all out of a request:
///
/// ```compile_fail,E0277
/// fn turned(request: http::request::Parts) -> magicproxy_proxy::source::SourceRequest {
///     request.into()
/// }
/// ```
#[derive(Debug)]
pub struct SourceRequest {
    url: ApiRoot,
    secret: Credential,
}

impl SourceRequest {
    /// Returns the only URL to which the request may go.
    #[must_use]
    pub fn url(&self) -> &ApiRoot {
        &self.url
    }

    /// Returns the source's own secret, carried by the request.
    #[must_use]
    pub fn secret(&self) -> &Credential {
        &self.secret
    }
}

/// A credential as issued by a source, with the time of its end.
#[derive(Debug)]
pub(crate) struct IssuedCredential {
    credential: Arc<AttachedCredential>,
    /// The time from which the credential is no longer sent. `None`: the credential lasts as long
    /// as its token.
    expires_at: Option<UnixTime>,
}

impl IssuedCredential {
    fn is_good(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// The credential of a token for now. However many requests need the credential at a time, a single
/// request asks the source.
#[derive(Debug, Default)]
pub(crate) struct CurrentCredential {
    /// The first credential issued. A source whose first credential lasts is never asked again.
    first: OnceCell<IssuedCredential>,
    /// The credential issued after the first had expired.
    later: Mutex<Option<IssuedCredential>>,
}

impl CurrentCredential {
    /// Returns a credential known to last, without waiting and without reading the clock.
    pub(crate) fn lasting(&self) -> Option<&Arc<AttachedCredential>> {
        self.first.get().filter(|given| given.expires_at.is_none()).map(|given| &given.credential)
    }

    /// Returns the credential for now; `asking` asks the source, if needed. `patience` bounds the
    /// wait for another request's question: where question after question fails, the last request
    /// would wait as long as all questions together.
    ///
    /// # Errors
    /// Those of the source. No error is kept: the next request asks again. [`Rejection::Busy`]
    /// where the questions of others took longer than `patience`.
    pub(crate) async fn current(
        &self,
        now: impl Fn() -> UnixTime,
        patience: Duration,
        asking: impl Future<Output = Result<IssuedCredential, Rejection>>,
    ) -> Result<Arc<AttachedCredential>, Rejection> {
        let asks = AtomicBool::new(false);
        let asking = async {
            asks.store(true, Ordering::Relaxed);
            asking.await
        };
        let mut current = pin!(self.given_or_asked(now, asking));
        match tokio::time::timeout(patience, current.as_mut()).await {
            Ok(given) => given,
            // The source itself bounds the time of its own question.
            Err(_) if asks.load(Ordering::Relaxed) => current.await,
            Err(_) => Err(Rejection::Busy),
        }
    }

    async fn given_or_asked(
        &self,
        now: impl Fn() -> UnixTime,
        asking: impl Future<Output = Result<IssuedCredential, Rejection>>,
    ) -> Result<Arc<AttachedCredential>, Rejection> {
        let mut asking = Some(asking);
        let asking_first = async { asking.take().ok_or(Rejection::Internal)?.await };
        let first = self.first.get_or_try_init(|| asking_first).await?;
        // A request that has just asked takes the credential that came.
        let (Some(asking), false) = (asking, first.expires_at.is_none()) else {
            return Ok(Arc::clone(&first.credential));
        };
        if first.is_good(now()) {
            return Ok(Arc::clone(&first.credential));
        }
        let mut later = self.later.lock().await;
        // The lock may have been held for long: the time is read after the wait.
        let now = now();
        if let Some(given) = later.as_ref().filter(|given| given.is_good(now)) {
            return Ok(Arc::clone(&given.credential));
        }
        let given = later.insert(asking.await?);
        Ok(Arc::clone(&given.credential))
    }
}
