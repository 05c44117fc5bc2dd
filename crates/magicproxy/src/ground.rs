//! What every other module stands on: how a command fails, and what is written to the terminal.

pub(crate) mod failure;
pub(crate) mod output;
