//! The flags of every command that sends a request to a running proxy.

use std::path::PathBuf;

use clap::Args;

use crate::client::Peer;
use crate::ground::failure::Failure;

/// The flags beside the flag that names the proxy, in the group `asked`.
#[derive(Debug, Default, Args)]
pub(crate) struct AskingArgs {
    /// Certificate authority of the proxy's own TLS (PEM), trusted besides those of the system or
    /// of $SSL_CERT_FILE
    #[arg(long, value_name = "FILE", requires = "asked")]
    ca_file: Option<PathBuf>,
    /// Send secrets over plain http to another machine
    #[arg(long, requires = "proxy")]
    danger_plain_http: bool,
}

impl AskingArgs {
    /// Returns the peer for a request without a secret.
    pub(super) fn peer(&self, url: &str) -> Result<Peer, Failure> {
        self.trusting(Peer::parse(url).map_err(Failure::usage)?)
    }

    /// Returns the peer for a request with a token or a credential.
    pub(super) fn peer_for_secrets(&self, url: &str) -> Result<Peer, Failure> {
        self.trusting(Peer::for_secrets(url, self.danger_plain_http).map_err(Failure::usage)?)
    }

    fn trusting(&self, peer: Peer) -> Result<Peer, Failure> {
        match &self.ca_file {
            Some(file) => Ok(peer.trusting(file)?),
            None => Ok(peer),
        }
    }
}
