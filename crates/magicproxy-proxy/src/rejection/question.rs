//! Faults of the body of a question about a request (`/__magictoken/explain`).

use std::fmt;

use magicproxy_core::json::form::FormFaults;

/// Fault of a question.
#[derive(Debug, Clone)]
pub(crate) enum QuestionFault {
    /// The body is no JSON in the form of a question.
    Form(FormFaults),
    /// The question names more headers, or longer names, than any client sends.
    Headers {
        /// Most names.
        names: usize,
        /// Most bytes of one name.
        bytes: usize,
    },
    /// A part of the described request is none; the expectation in words.
    Part(&'static str),
}

impl QuestionFault {
    /// Lists the faults one by one.
    pub(super) fn each(&self) -> Vec<String> {
        match self {
            Self::Form(faults) => faults.iter().map(ToString::to_string).collect(),
            Self::Headers { .. } | Self::Part(_) => vec![self.to_string()],
        }
    }
}

/// Writes all faults in one line.
impl fmt::Display for QuestionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(faults) => faults.fmt(formatter),
            Self::Part(expected) => formatter.write_str(expected),
            Self::Headers { names, bytes } => {
                write!(
                    formatter,
                    "headers: expected at most {names} names of at most {bytes} bytes"
                )
            }
        }
    }
}
