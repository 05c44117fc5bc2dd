//! The signed key set as handed out: `token-v2.md` section 7.1. Strangers may ask, so a signature
//! serves many requests.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use magicproxy_core::AcceptedTokens;

use crate::clock;
use crate::services::Services;
use crate::services::revocations::RevocationList;

/// Seconds for which a signature serves: few beside the lifetime of a key set.
const FRESH_SECONDS: u64 = 60;

/// The key set document, with the last signed copy.
#[derive(Debug)]
pub(super) struct KeySetDocument {
    /// The tokens accepted by at least one upstream.
    accepts: AcceptedTokens,
    /// Keys accepted by no upstream.
    denied: Vec<String>,
    last: Mutex<Option<SignedDocument>>,
}

/// A signed document, with the generation of the key ring and the minute of the signature.
#[derive(Debug)]
struct SignedDocument {
    /// The generation of the key ring.
    generation: u64,
    minute: u64,
    /// The list of revocations: revoked keys are not published.
    revocations: Arc<RevocationList>,
    document: Bytes,
}

impl KeySetDocument {
    /// Makes the document of a proxy that accepts these kinds of tokens, but no token of the
    /// `denied` keys.
    pub(super) fn saying(accepts: AcceptedTokens, denied: Vec<String>) -> Self {
        Self { accepts, denied, last: Mutex::default() }
    }

    /// Returns the document of the current key ring, signed within the last minute. A revoked key
    /// is left out, because tokens that are sealed to it are refused.
    pub(super) fn of(&self, services: &Services) -> Bytes {
        let Services { keys, revocations, .. } = services;
        let now = clock::now();
        // Read before the ring, so a document made of an old ring never passes for new.
        let (generation, minute) = (keys.generation(), now.0 / FRESH_SECONDS);
        let revocations = revocations.current();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(signed)
                if (signed.generation, signed.minute) == (generation, minute)
                    && Arc::ptr_eq(&signed.revocations, &revocations) =>
            {
                signed.document.clone()
            }
            _ => {
                let denied: Vec<String> =
                    self.denied.iter().chain(&revocations.keys).cloned().collect();
                let document = Bytes::from(
                    keys.current().key_set_document(now, &self.accepts, &denied).to_string(),
                );
                *last = Some(SignedDocument {
                    generation,
                    minute,
                    revocations,
                    document: document.clone(),
                });
                document
            }
        }
    }
}
