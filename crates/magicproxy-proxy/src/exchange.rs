//! Exchanges with upstreams: a request verified, decided on, recorded, sent, and its response. A
//! layer whose modules may know each other.
//!
//! The makers of the proofs (`Reservation`, `OutboundRequest`, `CommittedResponse`) are visible in
//! this module at most. Doors see [`served`]: the upstreams, and the steps of an exchange.

pub mod gate;
pub(crate) mod ledger;
pub(crate) mod response;
mod sending;
pub(crate) mod served;
mod succession;
mod unread;
pub(crate) mod upstream;
pub(crate) mod verifier;
