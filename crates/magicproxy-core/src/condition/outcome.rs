//! The three values of a test, and the reasons for the third. `conditions.md` sections 3 and 5.

use magicproxy_git::CommandListFault;

/// The outcome of a test of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request passes the test, for every reader.
    True,
    /// The request fails the test, for every reader.
    False,
    /// Readers differ about the request, or it cannot be judged within bounds. Never allowed.
    Unknown(Reason),
}

/// The reason for which a request cannot be judged.
///
/// Exhaustive on purpose: other crates map each variant to a response, and a new variant must not
/// compile before it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// A capture has a value that readers could take for an allowed one, or not.
    #[error("a part of the path has a value that cannot be judged")]
    PathValue,
    /// The query does not follow the syntax of parameters.
    #[error("the query cannot be split into parameters in only one way")]
    QuerySyntax,
    /// A parameter that a rule names is there twice.
    #[error("a query parameter occurs twice")]
    QueryTwice,
    /// A parameter that some readers take for one that a rule names.
    #[error("some readers take a query parameter for another one")]
    QueryTwin,
    /// A parameter has a value that readers could take for an allowed one, or not.
    #[error("a query parameter has a value that cannot be judged")]
    QueryValue,
    /// A header field that a rule names is there twice.
    #[error("a header field occurs twice")]
    HeaderTwice,
    /// A header field has a value that readers could take for an allowed one, or not.
    #[error("a header field has a value that cannot be judged")]
    HeaderValue,
    /// The content type is missing, there twice, or not the rule's.
    #[error("the content type is missing, occurs twice, or is none that the rule reads")]
    BodyType,
    /// The body has a content coding.
    #[error("a body with a content coding cannot be judged")]
    BodyCoding,
    /// The body is not JSON to the letter.
    #[error("the body is not strict JSON")]
    JsonSyntax,
    /// A member that a rule names is there twice.
    #[error("a member of the body occurs twice")]
    JsonTwice,
    /// A member that some readers take for one that a rule names.
    #[error("some readers take a member of the body for another one")]
    JsonTwin,
    /// A member has a value that readers could take for an allowed one, or not.
    #[error("a member of the body has a value that cannot be judged")]
    JsonValue,
    /// A member that some readers take for another method, or for a credential.
    #[error("a member of the body overrides the method or the credential for some readers")]
    JsonOverride,
    /// The body does not follow the syntax of forms.
    #[error("the form cannot be split into fields in only one way")]
    FormSyntax,
    /// A field of the form that a rule names is there twice.
    #[error("a field of the form occurs twice")]
    FormTwice,
    /// A field of the form that some readers take for one that a rule names.
    #[error("some readers take a field of the form for another one")]
    FormTwin,
    /// A field of the form has a value that readers could take for an allowed one, or not.
    #[error("a field of the form has a value that cannot be judged")]
    FormValue,
    /// A field of the form that some readers take for another method, or for a credential.
    #[error("a field of the form overrides the method or the credential for some readers")]
    FormOverride,
    /// Judging takes too many steps.
    #[error("judging the body takes too many steps")]
    BodySteps,
    /// The commands of a push cannot be read.
    #[error("the commands of the push cannot be read: {0}")]
    Commands(CommandListFault),
    /// An update of a push is not proved to be a fast-forward.
    #[error("an update of the push is not proved to be a fast-forward")]
    NotFastForward,
}

impl Reason {
    /// Returns the stable code that a rejection carries.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::PathValue => "path_value",
            Self::QuerySyntax => "query_syntax",
            Self::QueryTwice => "query_twice",
            Self::QueryTwin => "query_twin",
            Self::QueryValue => "query_value",
            Self::HeaderTwice => "header_twice",
            Self::HeaderValue => "header_value",
            Self::BodyType => "body_type",
            Self::BodyCoding => "body_coding",
            Self::JsonSyntax => "json_syntax",
            Self::JsonTwice => "json_twice",
            Self::JsonTwin => "json_twin",
            Self::JsonValue => "json_value",
            Self::JsonOverride => "json_override",
            Self::FormSyntax => "form_syntax",
            Self::FormTwice => "form_twice",
            Self::FormTwin => "form_twin",
            Self::FormValue => "form_value",
            Self::FormOverride => "form_override",
            Self::BodySteps => "body_steps",
            Self::Commands(fault) => fault.code(),
            Self::NotFastForward => "git_not_fast_forward",
        }
    }
}

impl Outcome {
    /// Joins two outcomes by "and": false before unknown before true. Of two reasons the first one
    /// stays.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown(reason), _) | (Self::True, Self::Unknown(reason)) => {
                Self::Unknown(reason)
            }
            (Self::True, Self::True) => Self::True,
        }
    }

    /// Returns true or false for a test that every reader judges alike.
    pub(crate) fn of(passes: bool) -> Self {
        if passes { Self::True } else { Self::False }
    }
}
