//! Rules for sending a request a second time: the table of `docs/spec/resending.md`, for every
//! protocol and transport.
//!
//! Three reasons allow a second attempt. Nothing of the request was written, so nobody can have
//! processed the request; the upstream says that the request was not processed; or a connection
//! that served others before ended without a byte of a response, and the request may be processed
//! twice.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;

use http::Method;

use super::pool::ConnectionUse;
use crate::downstream::RequestBody;

/// Most repetitions of a request that the upstream says was not processed.
const MAX_UNPROCESSED: usize = 3;

/// End of an attempt that got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The connection was gone: not a byte of the request was written.
    Unwritten,
    /// The upstream said by HTTP/2 that the request was not processed (RFC 9113 sections 6.8 and
    /// 8.7).
    Unprocessed,
    /// The connection ended (FIN, RST, with or without TLS's `close_notify`) before a byte of a
    /// response came.
    NoResponse,
    /// A response had begun, the received bytes were no response, the request's own content failed,
    /// or the upstream took nothing for too long.
    Failed,
}

impl AttemptEnd {
    /// Classifies an attempt by HTTP/1.1 that failed when some of the request may have been
    /// written. `heard` tells whether a byte of a response had come.
    pub(crate) fn of(error: &hyper::Error, heard: ResponseBytes) -> Self {
        if heard == ResponseBytes::Something || error.is_user() || error.is_parse() {
            return Self::Failed;
        }
        // By TLS, a FIN without `close_notify` is a separate error; over HTTP/2, every end of the
        // connection is an error.
        match io_kind(error) {
            Some(io::ErrorKind::TimedOut) => Self::Failed,
            Some(_) => Self::NoResponse,
            None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
                Self::NoResponse
            }
            None => Self::Failed,
        }
    }

    /// Classifies a failed stream, of whose request the upstream did not say that it was not
    /// processed.
    pub(crate) fn of_stream(error: &h2::Error, heard: ResponseBytes) -> Self {
        let connection_ended = match error.get_io() {
            Some(error) => error.kind() != io::ErrorKind::TimedOut,
            None => error.is_go_away() && error.is_remote(),
        };
        if connection_ended && heard == ResponseBytes::Nothing {
            Self::NoResponse
        } else {
            Self::Failed
        }
    }

    /// True if a request whose attempt ended so may be sent again, on another connection.
    pub(crate) fn allows(self, attempt: &Attempt) -> bool {
        match self {
            Self::Unwritten => attempt.pooled == ConnectionUse::Yes,
            Self::Unprocessed => attempt.unprocessed < MAX_UNPROCESSED,
            Self::NoResponse => {
                attempt.pooled == ConnectionUse::Yes && attempt.twice == Idempotency::Harmless
            }
            Self::Failed => false,
        }
    }
}

/// Presence of response bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBytes {
    Nothing,
    Something,
}

/// One attempt to send a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// Earlier use of the connection by other requests.
    pub(crate) pooled: ConnectionUse,
    pub(crate) twice: Idempotency,
    /// Number of times that the upstream has said so far that the request was not processed.
    pub(crate) unprocessed: usize,
}

/// Effect on the API when a request is processed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// The method is idempotent (RFC 9110 section 9.2.2), and there is no content, which would be
    /// gone once sent.
    Harmless,
    Harmful,
}

impl Idempotency {
    /// Classifies a request by method and content.
    pub(crate) fn of(method: &Method, body: &RequestBody) -> Self {
        if method.is_idempotent() && body.is_empty() { Self::Harmless } else { Self::Harmful }
    }
}

/// Returns the error of the system or of TLS, if either ended the connection.
fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
