//! Values of labels. Each is a closed set: a client chooses among the values, and never makes one.

use http::{Method, StatusCode, Version};

use super::codes::DecisionCode;

/// A method of a request: `http.request.method` of OpenTelemetry's semantic conventions, where any
/// method without a name of its own is `_OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodLabel {
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Query,
    Trace,
    Other,
}

impl MethodLabel {
    pub(super) const COUNT: usize = 11;
    /// All methods, in the order of their numbers.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Connect,
        Self::Delete,
        Self::Get,
        Self::Head,
        Self::Options,
        Self::Patch,
        Self::Post,
        Self::Put,
        Self::Query,
        Self::Trace,
        Self::Other,
    ];

    /// Classifies a method. Methods are case-sensitive (RFC 9110 section 9.1).
    pub(crate) fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::PATCH => Self::Patch,
            Method::HEAD => Self::Head,
            Method::OPTIONS => Self::Options,
            Method::CONNECT => Self::Connect,
            Method::TRACE => Self::Trace,
            _ if method.as_str() == "QUERY" => Self::Query,
            _ => Self::Other,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Query => "QUERY",
            Self::Trace => "TRACE",
            Self::Other => "_OTHER",
        }
    }
}

/// The scheme of a URL: `url.scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemeLabel {
    Http,
    Https,
}

impl SchemeLabel {
    pub(super) const ALL: [Self; 2] = [Self::Http, Self::Https];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The version of HTTP: `network.protocol.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionLabel {
    Http10,
    Http11,
    Http2,
    /// No connection was made.
    Unknown,
}

impl VersionLabel {
    pub(super) const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Http2, Self::Unknown];

    /// Classifies a version. The proxy speaks no other than these three.
    pub(crate) fn of(version: Version) -> Self {
        match version {
            Version::HTTP_2 => Self::Http2,
            Version::HTTP_09 | Version::HTTP_10 => Self::Http10,
            _ => Self::Http11,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
            Self::Unknown => "",
        }
    }
}

/// The status of a response: `http.response.status_code`. An upstream chooses the status, so a code
/// without a registered meaning is known by its class alone, as `5xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusLabel(u16);

impl StatusLabel {
    /// No response was sent.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn of(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(code) if code.canonical_reason().is_some() => Self(status),
            Ok(_) => Self(status / 100).class(),
            Err(_) => Self::NONE,
        }
    }

    /// The class of the status: 1 to 5, and 0 without a response. Codes from 600 on, which RFC 9110
    /// does not know, count as 5.
    pub(super) fn class(self) -> Self {
        let class = if self.0 < 100 { self.0 } else { self.0 / 100 };
        Self(class.min(5))
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }

    pub(super) fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// True for a failure of a server, by code or by class.
    pub(crate) fn is_server_error(self) -> bool {
        self.class().0 == 5
    }

    /// True for a failure of a client or a server.
    pub(crate) fn is_error(self) -> bool {
        self.class().0 >= 4
    }

    /// The label's text; empty without a response.
    pub(super) fn text(self) -> String {
        match self.0 {
            0 => String::new(),
            class @ 1..=9 => format!("{class}xx"),
            code => code.to_string(),
        }
    }
}

/// The reason why a request failed: `error.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorLabel {
    /// The request did not fail.
    None,
    /// The client left before the end of the response.
    ClientAborted,
    /// The upstream's response broke off after its head.
    UpstreamAborted,
    /// The status is the reason.
    Status,
    /// The proxy failed, with this stable code.
    Code(DecisionCode),
}

impl ErrorLabel {
    const CODES: u8 = 4;

    pub(super) fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::ClientAborted => 1,
            Self::UpstreamAborted => 2,
            Self::Status => 3,
            Self::Code(code) => Self::CODES.saturating_add(code.number()),
        }
    }

    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::ClientAborted,
            2 => Self::UpstreamAborted,
            3 => Self::Status,
            code => Self::Code(DecisionCode::from_number(code - Self::CODES)),
        }
    }

    pub(super) fn text(self, status: StatusLabel) -> String {
        match self {
            Self::None => String::new(),
            Self::ClientAborted => "client_aborted".to_owned(),
            Self::UpstreamAborted => "upstream_aborted".to_owned(),
            Self::Status => status.text(),
            Self::Code(code) => code.as_str().to_owned(),
        }
    }
}
