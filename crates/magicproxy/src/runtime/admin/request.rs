//! What a request to the admin listener asks for: its page, its form, and whether it wants details.

use http::header::ACCEPT;
use http::request::Parts;

use super::response::Form;

/// A page of the admin listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Health,
    Ready,
    Version,
    Metrics,
    Reload,
    Backup,
}

/// The amount of detail that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The status alone.
    Plain,
    /// A line for each check (`?verbose`).
    Verbose,
}

impl Page {
    /// Finds the page of a path, byte for byte.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/version" => Self::Version,
            "/metrics" => Self::Metrics,
            "/reload" => Self::Reload,
            "/backup" => Self::Backup,
            _ => return None,
        })
    }

    /// Returns the methods that the page takes.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Health | Self::Ready | Self::Version | Self::Metrics => "GET, HEAD",
            Self::Reload | Self::Backup => "POST",
        }
    }

    /// True for an operation, which comes by a Unix socket alone.
    pub(super) fn is_operation(self) -> bool {
        matches!(self, Self::Reload | Self::Backup)
    }

    /// True if the page takes this method.
    pub(super) fn takes(self, method: &str) -> bool {
        self.methods().split(", ").any(|taken| taken == method)
    }

    /// True if every client may read the page, because it tells a status and nothing else.
    pub(super) fn is_plain(self, detail: Detail) -> bool {
        match self {
            Self::Health => true,
            Self::Ready => detail == Detail::Plain,
            Self::Version | Self::Metrics | Self::Reload | Self::Backup => false,
        }
    }
}

impl Detail {
    /// Reads the query: the parameter `verbose`, with or without a value, asks for details.
    pub(super) fn of(head: &Parts) -> Self {
        let mut parameters = head.uri.query().unwrap_or_default().split('&');
        let asks = parameters.any(|one| one.split('=').next() == Some("verbose"));
        if asks { Self::Verbose } else { Self::Plain }
    }
}

impl Form {
    /// Reads `Accept`: JSON where it is named, else text.
    pub(super) fn of(head: &Parts) -> Self {
        let fields = head.headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
        let mut ranges = fields.flat_map(|field| field.split(','));
        if ranges.any(names_json) { Self::Json } else { Self::Text }
    }
}

/// True for a media range that names JSON, and does not refuse it by `q=0`.
fn names_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|range| range.eq_ignore_ascii_case("application/json"));
    let refused = |part: &str| {
        let quality = part.strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok());
        quality == Some(0.0)
    };
    named && !parts.any(refused)
}
