//! The mounts, host names and path prefixes of an upstream, as configured.

use magicproxy_core::{EncodedSlash, RequestTarget};

use super::ApiRoot;

/// The ways by which clients reach an upstream.
#[derive(Clone, Debug, Default)]
pub struct RouteSettings {
    /// The path prefix of the proxy under which the upstream is mounted.
    pub mount: MountPath,
    /// `Host` values that select the upstream.
    pub hosts: Vec<HostName>,
    /// Further prefixes inside the mount.
    pub paths: Vec<PathMapping>,
}

/// A path prefix: the root, or segments of unreserved characters (RFC 3986 section 2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountPath(String);

/// A prefix inside a mount, and the path or origin in its place.
#[derive(Clone, Debug)]
pub struct PathMapping {
    /// The prefix; not the root.
    pub prefix: MountPath,
    /// The replacement of the prefix.
    pub to: PathTarget,
}

/// The replacement of a prefix inside a mount.
#[derive(Clone, Debug)]
pub enum PathTarget {
    /// A path of the upstream.
    Path(MountPath),
    /// Another origin of the same API.
    Origin(ApiRoot),
}

/// A host as clients write it in `Host`, with a port or for every port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl MountPath {
    /// Reads `/`, `/github` or `/apis/github`; a final `/` is ignored.
    ///
    /// # Errors
    /// [`ParseMountError`].
    pub fn parse(text: &str) -> Result<Self, ParseMountError> {
        let path = text.trim_end_matches('/');
        if !text.starts_with('/') {
            return Err(ParseMountError::Slash);
        }
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.bytes().all(unreserved) || !path.is_empty() && !is_canonical(path) {
            return Err(ParseMountError::Segment);
        }
        if path.split('/').any(|segment| segment == "__magictoken") {
            return Err(ParseMountError::Control);
        }
        Ok(Self(path.to_owned()))
    }

    /// Returns the prefix without a final `/`; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the path is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_canonical(path: &str) -> bool {
    RequestTarget::parse(path.as_bytes(), EncodedSlash::Refuse)
        .is_ok_and(|target| target.path() == path)
}

impl HostName {
    /// Reads `gh.example.com`, `gh.example.com:8443` or `[::1]:5000`. A `*` is refused, because
    /// names are compared whole.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let authority: http::uri::Authority = text.parse().ok()?;
        (!text.contains(['@', '*']) && !authority.host().is_empty())
            .then(|| Self(text.to_ascii_lowercase()))
    }

    /// Returns the host as configured, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, authority: &str) -> bool {
        self.0.eq_ignore_ascii_case(authority)
            || self.0.eq_ignore_ascii_case(without_port(authority))
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A reason for which a text is no mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseMountError {
    /// The text does not begin with `/`.
    #[error("expected a path that begins with `/`")]
    Slash,
    /// An empty segment, a dot segment, or a character that is not unreserved.
    #[error("expected segments of `A-Z a-z 0-9 - . _ ~`, none of them empty, `.` or `..`")]
    Segment,
    /// `__magictoken`.
    #[error("`__magictoken` is the proxy's own")]
    Control,
}
