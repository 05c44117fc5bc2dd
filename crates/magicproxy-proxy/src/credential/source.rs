//! Sources of credentials: what a permit opens gives a credential for now.
//!
//! A token holds the credential itself, which lasts as long as the token. A source of another kind would hold a secret of its own,
//! for which a server of its own gives credentials that expire; [`SourceRequest`] is all that such a source may send.

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

/// Where the credential of one token comes from, opened for a permitted request.
pub(crate) enum CredentialSource {
    /// The token holds the credential itself.
    Static(AttachedCredential),
}

impl CredentialSource {
    /// `carrier` is where the operator wants the credential, `carriers` are the fields in which it may go where the minter wants it.
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

    /// What it gives for now.
    pub(crate) fn give(self) -> IssuedCredential {
        match self {
            Self::Static(credential) => {
                IssuedCredential { credential: Arc::new(credential), expires_at: None }
            }
        }
    }
}

/// A request of a source's own to its token server.
///
/// INVARIANT: it holds the source's own secret, for the source's own URL, both fixed before any request came. Nothing of a client's
/// request is part of it, and nothing else may be sent on behalf of a source. No source has a server yet, so nobody makes one:
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
    /// The one place where it may go.
    #[must_use]
    pub fn url(&self) -> &ApiRoot {
        &self.url
    }

    /// What it carries.
    #[must_use]
    pub fn secret(&self) -> &Credential {
        &self.secret
    }
}

/// A credential as a source gave it.
#[derive(Debug)]
pub(crate) struct IssuedCredential {
    credential: Arc<AttachedCredential>,
    /// From when on it is no longer sent. Without one it lasts as long as its token.
    expires_at: Option<UnixTime>,
}

impl IssuedCredential {
    fn is_good(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// The credential of one token for now. However many requests need one at a time, its source is asked by one of them.
#[derive(Debug, Default)]
pub(crate) struct CurrentCredential {
    /// What the source gave first: all that is ever asked of one whose credential lasts.
    first: OnceCell<IssuedCredential>,
    /// What it gave when that had expired.
    later: Mutex<Option<IssuedCredential>>,
}

impl CurrentCredential {
    /// A credential that is known and lasts. Nobody is waited for, and no clock is read.
    pub(crate) fn lasting(&self) -> Option<&Arc<AttachedCredential>> {
        self.first.get().filter(|given| given.expires_at.is_none()).map(|given| &given.credential)
    }

    /// The credential for now; `asking` asks the source, where that is needed. `patience` is for what another request asks: where
    /// one after the other fails, the last would wait as long as all of them together.
    ///
    /// # Errors
    /// Those of the source. None is kept: the next request asks again. [`Rejection::Busy`] where others asked for too long.
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
            // The source says itself how long it may take.
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
        // Who has just asked takes what came.
        let (Some(asking), false) = (asking, first.expires_at.is_none()) else {
            return Ok(Arc::clone(&first.credential));
        };
        if first.is_good(now()) {
            return Ok(Arc::clone(&first.credential));
        }
        let mut later = self.later.lock().await;
        // Whoever had the lock may have had it for long.
        let now = now();
        if let Some(given) = later.as_ref().filter(|given| given.is_good(now)) {
            return Ok(Arc::clone(&given.credential));
        }
        let given = later.insert(asking.await?);
        Ok(Arc::clone(&given.credential))
    }
}
