//! Moments, as tokens, keys and stores write them.

/// Seconds since 1970-01-01T00:00:00Z, as the client's clock says. This crate never reads a clock.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// The latest moment that a token or a key set may name: 9999-12-31T23:59:59Z.
pub const MAX_UNIX_TIME: u64 = 253_402_300_799;
