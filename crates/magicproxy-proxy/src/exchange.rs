//! An exchange with an upstream: verified, decided, recorded, sent, answered. One layer, whose modules may know each other.
//!
//! The makers of its proofs (`Reservation`, `OutboundRequest`, `CommittedResponse`) are visible in here at most. What doors see is
//! [`served`]: the upstreams, and the steps of an exchange with one.

pub mod gate;
pub(crate) mod ledger;
pub(crate) mod response;
mod sending;
pub(crate) mod served;
mod unread;
pub(crate) mod upstream;
pub(crate) mod verifier;
