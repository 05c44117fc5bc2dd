//! When a request is sent a second time: the table of `docs/spec/resending.md`, for every protocol and transport.
//!
//! Three reasons allow a second attempt. Nothing of the request was written, so that nobody can have processed it; the upstream says
//! that it has not; or a connection that served others before ended without a byte of a response, and the request is one that may be
//! processed twice.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;

use http::Method;

use super::pool::ConnectionUse;
use crate::downstream::RequestBody;

/// How often a request is sent again at most that the upstream says it has not processed.
const MAX_UNPROCESSED: usize = 3;

/// How an attempt ended that got no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The connection was no more: not a byte of the request was written.
    Unwritten,
    /// The upstream said by HTTP/2 that it has not processed the request (RFC 9113 sections 6.8 and 8.7).
    Unprocessed,
    /// The connection ended (FIN, RST, with or without TLS's `close_notify`) before a byte of a response came.
    Unanswered,
    /// A response had begun, what came was none, the request's own content failed, or the upstream took nothing for too long.
    Failed,
}

impl AttemptEnd {
    /// Of an attempt that failed when some of the request may have been written. `heard`: a byte of a response had come.
    pub(crate) fn of(error: &hyper::Error, heard: ResponseBytes) -> Self {
        if heard == ResponseBytes::Something || error.is_user() || error.is_parse() {
            return Self::Failed;
        }
        // By TLS, a FIN without `close_notify` is an error of its own; over HTTP/2, every end of the connection is.
        match io_kind(error) {
            Some(io::ErrorKind::TimedOut) => Self::Failed,
            Some(_) => Self::Unanswered,
            None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
                Self::Unanswered
            }
            None => Self::Failed,
        }
    }

    /// Of a stream that failed, of whose request the upstream did not say that it has not processed it.
    pub(crate) fn of_stream(error: &h2::Error, heard: ResponseBytes) -> Self {
        let connection_ended = match error.get_io() {
            Some(error) => error.kind() != io::ErrorKind::TimedOut,
            None => error.is_go_away() && error.is_remote(),
        };
        if connection_ended && heard == ResponseBytes::Nothing {
            Self::Unanswered
        } else {
            Self::Failed
        }
    }

    /// May a request be sent again, on another connection, whose attempt ended so?
    pub(crate) fn allows(self, attempt: &Attempt) -> bool {
        match self {
            Self::Unwritten => attempt.pooled == ConnectionUse::Yes,
            Self::Unprocessed => attempt.unprocessed < MAX_UNPROCESSED,
            Self::Unanswered => {
                attempt.pooled == ConnectionUse::Yes && attempt.twice == Idempotency::Harmless
            }
            Self::Failed => false,
        }
    }
}

/// Did any of a response come?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBytes {
    Nothing,
    Something,
}

/// One sending of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// Is its connection one that served other requests before?
    pub(crate) pooled: ConnectionUse,
    pub(crate) twice: Idempotency,
    /// How often the upstream has said so far that it has not processed the request.
    pub(crate) unprocessed: usize,
}

/// What it does to the API when a request is processed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// The method is idempotent (RFC 9110 section 9.2.2), and there is no content, which was sent and is gone.
    Harmless,
    Harmful,
}

impl Idempotency {
    pub(crate) fn of(method: &Method, body: &RequestBody) -> Self {
        if method.is_idempotent() && body.is_empty() { Self::Harmless } else { Self::Harmful }
    }
}

/// What the system or TLS said of the connection, if it is they who ended it.
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
