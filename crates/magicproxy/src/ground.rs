//! What every other module stands on: how a command fails, what is written to the terminal, words that are nearly right.

pub(crate) mod failure;
pub(crate) mod output;
pub(crate) mod suggest;
