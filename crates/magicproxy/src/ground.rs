//! The ground of every other module: failures of a command, and output to the terminal.

pub(crate) mod failure;
pub(crate) mod output;
