//! Upstreams and their origins by number: two numbers that are never taken for each other.

use std::fmt;

/// The number of an upstream: its place in [`Settings::upstreams`](super::Settings::upstreams).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(usize);

/// The number of one origin of an upstream: its place in [`UpstreamSettings::origins`](super::UpstreamSettings::origins).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginId(usize);

impl UpstreamId {
    /// The upstream at this place.
    #[must_use]
    pub fn new(place: usize) -> Self {
        Self(place)
    }

    /// Its place.
    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }
}

impl OriginId {
    /// The API root.
    pub const ROOT: Self = Self(0);

    /// The origin at this place.
    #[must_use]
    pub fn new(place: usize) -> Self {
        Self(place)
    }

    /// Its place.
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
