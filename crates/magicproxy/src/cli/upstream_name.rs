//! The proxy's own name of an upstream, asked for once, before anything is minted for it.

use magicproxy_core::{AcceptedTokens, UpstreamName};
use serde::Deserialize;

use crate::client::Peer;
use crate::ground::failure::Failure;
use crate::ground::output::note;
use crate::runtime::wire;
use magicproxy_config::ground::text::harmless;

/// The fault of a mint request for a sealed token without an upstream's name.
pub(super) const NEEDED: &str =
    "--aud NAME: expected the name of the upstream that the credential is for";

/// The name of an upstream, and the tokens accepted for it by the proxy's own word.
pub(super) struct NamedUpstream {
    pub(super) name: UpstreamName,
    pub(super) accepts: Option<AcceptedTokens>,
}

/// Takes the name as given, without asking a proxy.
pub(super) fn unchecked(aud: Option<&str>) -> Result<NamedUpstream, Failure> {
    let name = parse(aud.ok_or_else(|| Failure::usage(NEEDED))?)?;
    note(&format!(
        "not checked: whether the proxy has an upstream `{name}`, and whether this is still a key of its own"
    ));
    Ok(NamedUpstream { name, accepts: None })
}

/// Asks the proxy for its name of the upstream: the given name, or else the only name that the
/// proxy tells.
pub(super) fn at_proxy(peer: &Peer, aud: Option<&str>) -> Result<NamedUpstream, Failure> {
    match aud {
        Some(aud) => named(peer, &parse(aud)?),
        None => Ok(NamedUpstream { name: only(peer)?, accepts: None }),
    }
}

fn named(peer: &Peer, aud: &UpstreamName) -> Result<NamedUpstream, Failure> {
    #[derive(Deserialize)]
    struct UpstreamBody {
        upstream: UpstreamName,
        accepts: Option<AcceptedTokens>,
    }
    let encoded = aud.as_str().replace('[', "%5B").replace(']', "%5D");
    let response =
        wire::runtime()?.block_on(peer.get(&format!("/__magictoken/upstreams/{encoded}")))?;
    match response.code().as_deref() {
        Some("unknown_upstream") => {
            return Err(Failure::usage(format!(
                "--aud `{aud}`: {} has no such upstream: {}",
                peer.url(),
                response.fault()
            )));
        }
        Some("not_found") => {
            note(&format!(
                "not checked: whether {} has an upstream `{aud}`: it is too old to be asked",
                peer.url()
            ));
            return Ok(NamedUpstream { name: aud.clone(), accepts: None });
        }
        _ => {}
    }
    let told: UpstreamBody =
        serde_json::from_str(&response.content("application/json")?).map_err(|_| no_names(peer))?;
    Ok(NamedUpstream { name: told.upstream, accepts: told.accepts })
}

fn only(peer: &Peer) -> Result<UpstreamName, Failure> {
    #[derive(Deserialize)]
    struct Names {
        upstreams: Vec<UpstreamName>,
        complete: bool,
    }
    let response = wire::runtime()?.block_on(peer.get("/__magictoken/upstreams"))?;
    if response.code().as_deref() == Some("not_found") {
        return Err(Failure::usage(NEEDED));
    }
    let told: Names =
        serde_json::from_str(&response.content("application/json")?).map_err(|_| no_names(peer))?;
    match told.upstreams.as_slice() {
        [only] if told.complete => {
            note(&format!("for the only upstream of {}: `{only}`", peer.url()));
            Ok(only.clone())
        }
        [] => Err(Failure::usage(format!(
            "{NEEDED}: {} has several, and does not tell strangers which",
            peer.url()
        ))),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            Err(Failure::usage(format!("{NEEDED}: {} has {}", peer.url(), names.join(", "))))
        }
    }
}

fn parse(aud: &str) -> Result<UpstreamName, Failure> {
    UpstreamName::parse(aud).ok_or_else(|| Failure::usage(no_name(aud)))
}

pub(super) fn no_name(aud: &str) -> String {
    format!("--aud `{}`: expected 1 to 255 characters of `A-Z a-z 0-9 . _ : - [ ]`", harmless(aud))
}

fn no_names(peer: &Peer) -> Failure {
    anyhow::anyhow!("{}: its response about upstreams is not understood", peer.url()).into()
}
