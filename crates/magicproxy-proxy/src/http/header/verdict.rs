//! Verdict of `explain` on a request field.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::fields::{ListingSource, RequestFields, Treatment};
use crate::field_names::Meaning;

/// Verdict on a request field, in words: whether the field would pass, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldVerdict {
    /// Name of the field, in lower case, or the text that is no name.
    pub name: String,
    /// True if the upstream would get the field.
    pub passes: bool,
    /// Rule that decides: `standard`, `preset`, `operator`, `unlisted`, `dropped`, or the kind of a
    /// field that never passes.
    pub rule: String,
    /// Reason as half a sentence, with the key of the configuration that would change the verdict.
    pub reason: String,
}

impl RequestFields {
    /// Returns the verdict on the field with this name.
    #[must_use]
    pub fn verdict(&self, text: &str) -> FieldVerdict {
        let Ok(name) = text.parse::<HeaderName>() else {
            let reason = "expected the name of a header".to_owned();
            return FieldVerdict {
                name: text.to_owned(),
                passes: false,
                rule: "no_name".to_owned(),
                reason,
            };
        };
        let treatment = self.treatment(&name);
        let passes = matches!(treatment, Treatment::Passes(_));
        FieldVerdict {
            name: name.to_string(),
            passes,
            rule: rule(treatment).to_owned(),
            reason: reason(treatment),
        }
    }
}

fn rule(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Passes(ListingSource::Standard) => "standard",
        Treatment::Passes(ListingSource::Preset) => "preset",
        Treatment::Passes(ListingSource::Operator) => "operator",
        Treatment::Unlisted => "unlisted",
        Treatment::Dropped => "dropped",
        Treatment::Never(Meaning::Connection) => "connection",
        Treatment::Never(Meaning::Message) => "message",
        Treatment::Never(Meaning::Override) => "override",
        Treatment::Never(Meaning::Claim) => "claim",
        Treatment::Never(Meaning::Carrier) => "carrier",
        Treatment::Never(Meaning::Underscore) => "underscore",
    }
}

fn reason(treatment: Treatment) -> String {
    let fixed = match treatment {
        Treatment::Passes(ListingSource::Standard) => "every API gets it",
        Treatment::Passes(ListingSource::Preset) => "the preset of this upstream lists it",
        Treatment::Passes(ListingSource::Operator) => {
            "`pass_request_headers` of this upstream lists it"
        }
        Treatment::Unlisted => {
            "it is not on the list: `pass_request_headers` of this upstream would let it pass"
        }
        Treatment::Dropped => "`drop_request_headers` of this upstream drops it",
        Treatment::Never(Meaning::Override) => {
            "requests with it are refused: it overrides the method or the path"
        }
        Treatment::Never(meaning) => return format!("{meaning}; no setting lets it pass"),
    };
    fixed.to_owned()
}
