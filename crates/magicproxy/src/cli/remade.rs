//! The flags shared by `narrow` and `reseal`: who makes the new token, and where it goes.

use clap::Args;
use magicproxy_core::UnixTime;

use super::asking::AskingArgs;
use super::token_output::{TokenCommand, TokenOutputArgs};
use crate::client::Peer;
use crate::ground::failure::Failure;

/// The flags behind the flags of the new token's content.
#[derive(Debug, Args)]
pub(super) struct NewTokenArgs {
    #[command(flatten)]
    made: TokenOutputArgs,
    /// Have a running proxy make the token
    #[arg(long, value_name = "URL", group = "asked")]
    proxy: Option<String>,
    #[command(flatten)]
    asking: AskingArgs,
}

impl NewTokenArgs {
    /// Checks, before anything is made, that the token can be handed over.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.made.check()
    }

    /// Returns the proxy that is to make the token, if one is named.
    pub(super) fn peer(&self) -> Result<Option<Peer>, Failure> {
        self.proxy.as_deref().map(|url| self.asking.peer_for_secrets(url)).transpose()
    }

    /// Hands the token over, and describes it in one line, with the time left from `now` on.
    pub(super) fn give(&self, token: &str, by: TokenCommand, now: UnixTime) -> Result<(), Failure> {
        self.made.give(token, by, now)
    }
}
