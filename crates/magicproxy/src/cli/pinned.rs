//! The public keys of proxies for sealing: from a file, or from a proxy, and then pinned.
//!
//! Whoever gives us false keys gets our credentials. So keys come over TLS or from this machine,
//! and a pinned set is followed only by sets that its signing key signed (`token-v2.md` section 7),
//! until the user decides otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use magicproxy_core::{
    AcceptedTokens, Kem, KeySetError, PublicKeySet, SealingPublicKey, SignedKeySet,
};
use magicproxy_proxy::clock;

use super::secret;
use crate::client::{ClientFault, ClientFaultKind, Peer};
use crate::ground::failure::Failure;
use crate::ground::output::note;
use crate::runtime::keystore::write;
use crate::runtime::wire;
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::text::harmless;

/// Reads the preferred key of a kind from a file, and the accepted tokens stated there.
pub(super) fn of_file(path: &str, kem: Option<Kem>) -> Result<FoundKey, Failure> {
    let text = secret::whole_file(Path::new(path)).context("--to")?;
    let fault = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("--to `{}`: {error}", harmless(path)))
    };
    let pin = Pin::parse(text.to_string());
    let pin = pin.map_err(|error| {
        PublicKeySet::from_json(&text).err().map_or_else(|| fault(&error), |why| fault(&why))
    })?;
    if matches!(&pin.set, PinnedSet::Signed(set) if set.ensure_current(clock::now()) == Err(KeySetError::Expired))
    {
        note(&format!(
            "warning: the keys in `{}` are old: the proxy may have others by now",
            harmless(path)
        ));
    }
    pin.found(kem, path)
}

/// Returns the first key of a kind; without a given kind, of the usual kind, or else the first key.
fn preferred(
    keys: &[SealingPublicKey],
    kem: Option<Kem>,
    from: &str,
) -> Result<SealingPublicKey, Failure> {
    let of = |kem: Kem| keys.iter().find(|key| key.kem() == kem);
    let key = match kem {
        Some(kem) => of(kem),
        None => of(Kem::default()).or(keys.first()),
    };
    let kem = kem.unwrap_or_default();
    key.cloned().ok_or_else(|| {
        Failure::usage(format!("--to `{}`: there is no key of the kind `{kem}`", harmless(from)))
    })
}

/// A proxy whose keys are pinned.
pub(super) struct PinnedProxy<'a> {
    pub(super) peer: &'a Peer,
    pub(super) refresh: Refresh,
}

/// The treatment of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// Kept: only a set signed by the pinned key follows.
    Follow,
    /// Replaced by the proxy's present keys.
    Replace,
}

/// A key of a proxy.
pub(super) struct FoundKey {
    pub(super) key: SealingPublicKey,
    /// The tokens accepted by the proxy, if its key set states them.
    pub(super) accepts: Option<AcceptedTokens>,
    /// The fault of an unreachable proxy, if the key is from the pin.
    pub(super) unreachable: Option<ClientFault>,
}

impl PinnedProxy<'_> {
    /// Returns the preferred key of a kind: from the proxy's present set, or from the pinned set if
    /// the proxy cannot be reached.
    pub(super) fn key(
        &self,
        kem: Option<Kem>,
        environment: &Environment,
    ) -> Result<FoundKey, Failure> {
        let url = self.peer.url();
        if !self.peer.is_private() {
            let message = format!(
                "--to `{url}`: over plain http anyone on the way could give another key: use https, or a file"
            );
            return Err(Failure::usage(message));
        }
        let path = pin(self.peer, environment)?;
        let asked = wire::runtime()?.block_on(self.peer.get("/__magictoken/keys"));
        // Other processes may mint meanwhile: the set they pinned last is followed, and no older
        // set takes its place.
        let _lock = write::lock(&path);
        let pinned = if self.refresh == Refresh::Follow { Pin::read(&path)? } else { None };
        let document = match asked {
            Ok(response) => response.content("application/jwk-set+json")?,
            Err(fault) => return offline(pinned, kem, fault),
        };
        if has_no_keys(&document) {
            return Err(anyhow!(
                "{url}: the proxy publishes no key to seal to: its keys are revoked or denied, or there are none (its operator says `magicproxy keys rotate`)"
            )
            .into());
        }
        let present = match &pinned {
            Some(pinned) => pinned
                .followed_by(document)
                .map_err(|fault| anyhow!("{url}: {fault} (pinned in `{}`)", path.display()))?,
            None => Pin::first(document).map_err(|error| anyhow!("{url}: {error}"))?,
        };
        present.keep(pinned.as_ref(), &path, &url)?;
        present.found(kem, &url)
    }
}

/// True for a key set without a key. Such a set is never pinned.
fn has_no_keys(document: &str) -> bool {
    let set: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    set.get("keys").and_then(serde_json::Value::as_array).is_some_and(Vec::is_empty)
}

/// Uses the pinned set of an unreachable proxy, until the set expires: the proxy may have retired
/// the key meanwhile, unnoticed.
fn offline(pinned: Option<Pin>, kem: Option<Kem>, fault: ClientFault) -> Result<FoundKey, Failure> {
    // A server that is not the proxy is no reason to go on without the proxy.
    let Some(pinned) = pinned.filter(|_| fault.kind == ClientFaultKind::Unreachable) else {
        return Err(fault.into());
    };
    let set = match &pinned.set {
        PinnedSet::Signed(set) => set,
        PinnedSet::Unsigned(_) => {
            return Err(anyhow!(
                "{fault}; and the keys that are pinned are not signed, so that nobody can tell how old they are"
            )
            .into());
        }
    };
    set.ensure_current(clock::now())
        .map_err(|error| anyhow!("{fault}; and of what is pinned: {error}"))?;
    Ok(FoundKey { unreachable: Some(fault), ..pinned.found(kem, "the pinned keys")? })
}

/// A key set accepted as the proxy's own.
struct Pin {
    /// The set's text, as received.
    document: String,
    set: PinnedSet,
}

enum PinnedSet {
    Signed(SignedKeySet),
    /// The set of a proxy without a signing key, or from before sets were signed.
    Unsigned(PublicKeySet),
}

/// The reason for which a set does not follow a pinned set.
#[derive(Debug, PartialEq, Eq)]
enum PinFault {
    Set(KeySetError),
    BeforeSignatures,
    Changed,
}

const REFRESH: &str =
    "if the proxy's operator says that it is right (`magicproxy keys list`), say --refresh";

impl std::fmt::Display for PinFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(error @ (KeySetError::Expired | KeySetError::NotYetValid)) => {
                write!(formatter, "{error}")
            }
            Self::Set(KeySetError::RolledBack) => {
                write!(
                    formatter,
                    "{}: its key folder is behind that of another replica; {REFRESH}",
                    KeySetError::RolledBack
                )
            }
            Self::Set(error) => write!(formatter, "{error}; {REFRESH}"),
            Self::BeforeSignatures => write!(
                formatter,
                "its keys were pinned before key sets were signed, so that nobody can tell whether the present ones follow them; {REFRESH}"
            ),
            Self::Changed => {
                write!(
                    formatter,
                    "its keys are not those that are pinned, and it does not sign its key set; {REFRESH}"
                )
            }
        }
    }
}

impl Pin {
    fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let named = || format!("`{}`", path.display());
        let document = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            document => document.with_context(named)?,
        };
        Ok(Some(
            Self::parse(document)
                .map_err(|error| anyhow!("{}: {error}; --refresh writes it anew", named()))?,
        ))
    }

    /// Accepts the set of a first contact, because it came over TLS or from this machine.
    fn first(document: String) -> Result<Self, KeySetError> {
        let pin = Self::parse(document)?;
        match &pin.set {
            PinnedSet::Signed(set) => set.ensure_current(clock::now())?,
            PinnedSet::Unsigned(_) => {}
        }
        Ok(pin)
    }

    fn parse(document: String) -> Result<Self, KeySetError> {
        let set = match SignedKeySet::first(&document) {
            Ok(set) => PinnedSet::Signed(set),
            Err(KeySetError::Unsigned) => PinnedSet::Unsigned(
                PublicKeySet::from_json(&document).map_err(|_| KeySetError::Malformed)?,
            ),
            Err(error) => return Err(error),
        };
        Ok(Self { document, set })
    }

    /// Accepts the proxy's present set, if it follows the pinned set.
    fn followed_by(&self, document: String) -> Result<Self, PinFault> {
        match &self.set {
            PinnedSet::Signed(pinned) => {
                let set =
                    SignedKeySet::following(&document, &pinned.pin()).map_err(PinFault::Set)?;
                set.ensure_current(clock::now()).map_err(PinFault::Set)?;
                Ok(Self { document, set: PinnedSet::Signed(set) })
            }
            PinnedSet::Unsigned(pinned) => match Self::parse(document).map_err(PinFault::Set)? {
                Self { set: PinnedSet::Signed(_), .. } => Err(PinFault::BeforeSignatures),
                present if ids(present.keys()) == ids(pinned.keys()) => Ok(present),
                _ => Err(PinFault::Changed),
            },
        }
    }

    fn keys(&self) -> &[SealingPublicKey] {
        match &self.set {
            PinnedSet::Signed(set) => set.keys(),
            PinnedSet::Unsigned(set) => set.keys(),
        }
    }

    /// Returns the preferred key of a kind, with the set's statements.
    fn found(&self, kem: Option<Kem>, from: &str) -> Result<FoundKey, Failure> {
        let accepts = match &self.set {
            PinnedSet::Signed(set) => set.accepts().cloned(),
            PinnedSet::Unsigned(_) => None,
        };
        Ok(FoundKey { key: preferred(self.keys(), kem, from)?, accepts, unreachable: None })
    }

    fn signer(&self) -> Option<&str> {
        match &self.set {
            PinnedSet::Signed(set) => Some(set.signer().id().as_str()),
            PinnedSet::Unsigned(_) => None,
        }
    }

    /// True if the set is no older than the pinned set.
    fn replaces(&self, before: Option<&Self>) -> bool {
        match (&self.set, before.map(|before| &before.set)) {
            (PinnedSet::Signed(set), Some(PinnedSet::Signed(before))) => {
                set.replaces(&before.pin())
            }
            _ => true,
        }
    }

    /// Writes the pin, and tells its new keys.
    fn keep(&self, before: Option<&Self>, path: &Path, url: &str) -> Result<(), Failure> {
        if !self.replaces(before) {
            return Ok(());
        }
        let new_keys = before.is_none_or(|before| ids(before.keys()) != ids(self.keys()));
        let new_signer = before.is_none_or(|before| before.signer() != self.signer());
        let written = self.write(path);
        if !new_keys && !new_signer {
            // The same keys, fresher: a failed write can wait for the next time.
            return Ok(());
        }
        written?;
        for key in self.keys().iter().filter(|_| new_keys) {
            note(&format!(
                "pinned the key {} ({}) of {url} in {}",
                key.id(),
                key.kem(),
                path.display()
            ));
        }
        match self.signer().filter(|_| new_signer) {
            Some(signer) => {
                note(&format!("pinned the key {signer}, which signs the key set of {url}"))
            }
            None if new_signer => {
                note(&format!(
                    "warning: {url} does not sign its key set, so that its next rotation will need --refresh"
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// Writes the pin in one step, and under a name of this process's own: other processes may be
    /// minting.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        write::create_folder_of(path)?;
        let staged = write::staged_public(
            &path.with_extension(std::process::id().to_string()),
            &self.document,
        )?;
        std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
    }
}

fn ids(keys: &[SealingPublicKey]) -> Vec<&str> {
    keys.iter().map(|key| key.id().as_str()).collect()
}

/// Returns the path of a proxy's pin: one file for each proxy.
fn pin(peer: &Peer, environment: &Environment) -> Result<PathBuf, Failure> {
    let data = environment.xdg("XDG_DATA_HOME", ".local/share");
    let data = data.ok_or_else(|| {
        Failure::usage(
            "there is no home folder to keep the key in: save it to a file, and give that to --to",
        )
    })?;
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
    let name: String = peer.place().chars().map(legal).collect();
    Ok(data.join("magicproxy/proxies").join(format!("{name}.jwks")))
}

#[cfg(test)]
mod tests;
