//! What every other module stands on: faults with their places, how a command fails, the environment, text for people and the
//! terminal that it is written to.

pub(crate) mod environment;
pub(crate) mod failure;
pub(crate) mod fault;
pub(crate) mod output;
pub(crate) mod scheme;
pub(crate) mod suggest;
pub(crate) mod text;
pub(crate) mod trust;
