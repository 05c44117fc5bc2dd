//! Services: what lives as long as the process and changes meanwhile, keys and revocations.

pub(crate) mod keys;
pub mod revocations;
