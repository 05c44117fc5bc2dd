//! A request as rules see the request. Method and target are always known; other parts are read
//! only when a rule asks for them.

use crate::condition::RequestParts;
use crate::target::RequestTarget;

/// The known parts of a request. A part that was not read is absent, and a rule that needs an
/// absent part returns the part's [name](Part), so that the gate reads the part and asks again.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    method: &'r str,
    target: &'r RequestTarget,
    body: Option<&'r [u8]>,
    parts: RequestParts<'r>,
}

/// A part of a request that must be read before a rule can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The request's content: whole, not encoded, no longer than may be held. The bytes that were
    /// read are the bytes that are sent.
    Body,
}

impl<'r> RequestView<'r> {
    /// Makes the view of a request of which no part was read.
    #[must_use]
    pub fn unread(method: &'r str, target: &'r RequestTarget) -> Self {
        Self { method, target, body: None, parts: RequestParts::default() }
    }

    /// Adds the parts that conditions see.
    #[must_use]
    pub fn with_parts(self, parts: RequestParts<'r>) -> Self {
        Self { parts, ..self }
    }

    /// Adds the body to the view.
    #[must_use]
    pub fn with_body(self, body: &'r [u8]) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The method, as sent to the upstream.
    #[must_use]
    pub fn method(&self) -> &'r str {
        self.method
    }

    /// The target, as sent to the upstream.
    #[must_use]
    pub fn target(&self) -> &'r RequestTarget {
        self.target
    }

    /// The parts that conditions see.
    pub(crate) fn parts(&self) -> &RequestParts<'r> {
        &self.parts
    }

    /// The body.
    ///
    /// # Errors
    /// [`Part::Body`], if the body was not read.
    pub fn body(&self) -> Result<&'r [u8], Part> {
        self.body.ok_or(Part::Body)
    }

    /// True if the path has a single reading. `request-target.md` section 4.
    pub(crate) fn has_one_reading(&self) -> bool {
        self.target.readings().nth(1).is_none()
    }
}
