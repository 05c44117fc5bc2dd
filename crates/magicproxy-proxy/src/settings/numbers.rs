//! Numbers of upstreams and origins, as two types, so that one number is never taken for the other.

use std::fmt;

/// The number of an upstream: an index into [`Settings::upstreams`](super::Settings::upstreams).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(usize);

/// The number of one origin of an upstream: an index into
/// [`UpstreamSettings::origins`](super::UpstreamSettings::origins).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginId(usize);

impl UpstreamId {
    /// Makes the number of the upstream at this index.
    #[must_use]
    pub fn new(place: usize) -> Self {
        Self(place)
    }

    /// Returns the index.
    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }
}

impl OriginId {
    /// The number of the API root.
    pub const ROOT: Self = Self(0);

    /// Makes the number of the origin at this index.
    #[must_use]
    pub fn new(place: usize) -> Self {
        Self(place)
    }

    /// Returns the index.
    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }
}

impl fmt::Display for UpstreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for OriginId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
