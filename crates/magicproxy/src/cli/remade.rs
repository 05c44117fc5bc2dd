//! Who makes a token of another one, and where it goes: the flags that `narrow` and `reseal` share.

use clap::Args;
use magicproxy_core::UnixTime;

use super::asking::AskingArgs;
use super::token_output::MadeArgs;
use crate::client::Peer;
use crate::ground::failure::Failure;

/// Behind the flags that say what is to become of the token.
#[derive(Debug, Args)]
pub(super) struct RemadeArgs {
    #[command(flatten)]
    made: MadeArgs,
    /// Have a running proxy do it
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
}

impl RemadeArgs {
    /// Fails before anything is made where the token could not be handed over.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.made.check()
    }

    /// The proxy that is to make it, where one is named.
    pub(super) fn peer(&self) -> Result<Option<Peer>, Failure> {
        self.proxy.as_deref().map(|url| self.asking.peer_for_secrets(url)).transpose()
    }

    /// Hands the token over, and says in one line what it is, with how long it lives from `now` on.
    pub(super) fn give(&self, token: &str, now: UnixTime) -> Result<(), Failure> {
        self.made.give(token, now)
    }
}
