//! The signed key set as it is handed out: `token-v2.md` section 7.1. Strangers ask for it, so that it is not signed for each.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use magicproxy_core::AcceptedTokens;

use crate::clock;
use crate::services::keys::SharedKeys;

/// How long one signature serves, in seconds: little beside the life of a set.
const FRESH_SECONDS: u64 = 60;

/// The document that was signed last.
#[derive(Debug)]
pub(super) struct KeySetDocument {
    /// By at least one upstream.
    accepts: AcceptedTokens,
    /// Keys that no upstream accepts.
    denied: Vec<String>,
    last: Mutex<Option<SignedDocument>>,
}

#[derive(Debug)]
struct SignedDocument {
    /// Of the ring.
    generation: u64,
    /// The minute in which it was signed.
    minute: u64,
    document: Bytes,
}

impl KeySetDocument {
    /// Of a proxy that accepts this, but no token of these keys.
    pub(super) fn saying(accepts: AcceptedTokens, denied: Vec<String>) -> Self {
        Self { accepts, denied, last: Mutex::default() }
    }

    /// The document of the ring as it is now, signed within the last minute.
    pub(super) fn of(&self, keys: &SharedKeys) -> Bytes {
        let now = clock::now();
        // Before the ring, so that what is made of an old one never looks new.
        let (generation, minute) = (keys.generation(), now.0 / FRESH_SECONDS);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(signed) if (signed.generation, signed.minute) == (generation, minute) => {
                signed.document.clone()
            }
            _ => {
                let document = Bytes::from(
                    keys.current().key_set_document(now, &self.accepts, &self.denied).to_string(),
                );
                *last = Some(SignedDocument { generation, minute, document: document.clone() });
                document
            }
        }
    }
}
