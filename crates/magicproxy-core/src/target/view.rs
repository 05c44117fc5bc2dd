//! A request as rules see it. Method and target are always there; what else there is of it is read when a rule asks for it.

use super::RequestTarget;

/// What is known of a request. A part that was not read is not there, and whoever needs it says [which](Part).
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    method: &'r str,
    target: &'r RequestTarget,
    body: Option<&'r [u8]>,
}

/// A part of a request that must be read before more can be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its content: whole, not encoded, no longer than may be held. What was read is what is sent.
    Body,
}

impl<'r> RequestView<'r> {
    /// A request of which no part was read.
    #[must_use]
    pub fn unread(method: &'r str, target: &'r RequestTarget) -> Self {
        Self { method, target, body: None }
    }

    /// The same, with this body.
    #[must_use]
    pub fn with_body(self, body: &'r [u8]) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The method, as it will be sent.
    #[must_use]
    pub fn method(&self) -> &'r str {
        self.method
    }

    /// The target, as it will be sent.
    #[must_use]
    pub fn target(&self) -> &'r RequestTarget {
        self.target
    }

    /// The body.
    ///
    /// # Errors
    /// [`Part::Body`], where it was not read.
    pub fn body(&self) -> Result<&'r [u8], Part> {
        self.body.ok_or(Part::Body)
    }

    /// Is there one reading of its path only? `request-target.md` section 4.
    pub(crate) fn has_one_reading(&self) -> bool {
        self.target.readings().nth(1).is_none()
    }
}
