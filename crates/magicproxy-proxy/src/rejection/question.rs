//! Why a body is no question about a request (`/__magictoken/explain`).

use std::fmt;

use magicproxy_core::json::form::FormFaults;

/// What is wrong with a question.
#[derive(Debug, Clone)]
pub(crate) enum QuestionFault {
    /// It is no JSON in the form of a question.
    Form(FormFaults),
    /// It names more headers, or longer names, than anybody sends.
    Headers {
        /// The most names.
        names: usize,
        /// The most bytes of one.
        bytes: usize,
    },
}

impl QuestionFault {
    /// Each fault for itself.
    pub(super) fn each(&self) -> Vec<String> {
        match self {
            Self::Form(faults) => faults.iter().map(ToString::to_string).collect(),
            Self::Headers { .. } => vec![self.to_string()],
        }
    }
}

/// All in one line.
impl fmt::Display for QuestionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(faults) => faults.fmt(formatter),
            Self::Headers { names, bytes } => {
                write!(
                    formatter,
                    "headers: expected at most {names} names of at most {bytes} bytes"
                )
            }
        }
    }
}
