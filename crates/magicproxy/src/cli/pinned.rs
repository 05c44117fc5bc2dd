//! The public keys of proxies that tokens are sealed to: from a file, or fetched once and kept.
//!
//! Whoever gives us other keys gets our credentials. So keys come over TLS or from this machine, and those that were fetched
//! first stay until their user says otherwise.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use magicproxy_core::{Kem, PublicKeySet, SealingPublicKey};

use super::secret;
use crate::client::Peer;
use crate::config::Environment;
use crate::failure::Failure;
use crate::keystore::write;
use crate::output::note;
use crate::wire;

/// Where keys are to come from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// A file, or the URL of a proxy.
    pub(super) to: &'a str,
    /// Fetch again what was fetched before.
    pub(super) refresh: bool,
}

impl Source<'_> {
    /// The preferred key of that kind.
    pub(super) fn key(&self, kem: Kem, environment: &Environment) -> Result<SealingPublicKey, Failure> {
        let text = if self.to.starts_with("http://") || self.to.starts_with("https://") {
            self.fetched(environment)?
        } else {
            secret::whole_file(Path::new(self.to)).context("--to")?.to_string()
        };
        let set = PublicKeySet::from_json(&text).map_err(|error| Failure::usage(format!("--to `{}`: {error}", self.to)))?;
        let key = set.keys().iter().find(|key| key.kem() == kem).cloned();
        key.ok_or_else(|| Failure::usage(format!("--to `{}`: there is no key of the kind `{kem}`", self.to)))
    }

    fn fetched(&self, environment: &Environment) -> Result<String, Failure> {
        let peer = Peer::parse(self.to).map_err(Failure::usage)?;
        if !peer.is_private() {
            let message =
                format!("--to `{}`: over plain http anyone on the way could give another key: use https, or a file", self.to);
            return Err(Failure::usage(message));
        }
        let path = pin(&peer, environment)?;
        if !self.refresh && path.exists() {
            return Ok(std::fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?);
        }
        let request = Request::get("/").body(Full::new(Bytes::new())).context("request")?;
        let answer = wire::runtime()?.block_on(peer.send("/__magictoken/keys", request))?;
        if answer.status != StatusCode::OK {
            return Err(anyhow::anyhow!("{} answered {} and no keys", self.to, answer.status.as_u16()).into());
        }
        let set = PublicKeySet::from_json(&answer.body).with_context(|| self.to.to_owned())?;
        keep(&path, &answer.body)?;
        for key in set.keys() {
            note(&format!("pinned the key {} ({}) of {} in {}", key.id(), key.kem(), self.to, path.display()));
        }
        Ok(answer.body)
    }
}

/// One file for each proxy.
fn pin(peer: &Peer, environment: &Environment) -> Result<PathBuf, Failure> {
    let data = environment.xdg("XDG_DATA_HOME", ".local/share");
    let data = data
        .ok_or_else(|| Failure::usage("there is no home folder to keep the key in: save it to a file, and give that to --to"))?;
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' };
    let name: String = peer.place().chars().map(legal).collect();
    Ok(data.join("magicproxy/proxies").join(format!("{name}.jwks")))
}

fn keep(path: &Path, text: &str) -> anyhow::Result<()> {
    write::create_folder_of(path)?;
    let staged = write::staged_public(path, text)?;
    std::fs::rename(&staged, path).with_context(|| format!("`{}`", path.display()))
}
