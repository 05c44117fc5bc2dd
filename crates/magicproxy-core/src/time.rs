//! Moments, as in tokens, keys and stores.

/// Seconds since 1970-01-01T00:00:00Z, by the clock of the calling program. This crate never reads
/// a clock.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub u64);

/// The latest moment in a token or a key set: 9999-12-31T23:59:59Z.
pub const MAX_UNIX_TIME: u64 = 253_402_300_799;
