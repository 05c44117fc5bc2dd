//! An exchange with an upstream: verified, decided, recorded, sent. One layer, whose modules may know each other.
//!
//! The makers of its proofs (`Settled`, `OutboundRequest`) are visible in here at most.

pub mod gate;
pub(crate) mod ledger;
mod unread;
pub(crate) mod upstream;
pub(crate) mod verifier;
