//! Verdict of `explain` on a request field.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::fields::{FieldTreatment, ListingSource, RequestFields};
use crate::field_names::FieldMeaning;

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
        let passes = matches!(treatment, FieldTreatment::Passes(_));
        FieldVerdict {
            name: name.to_string(),
            passes,
            rule: rule(treatment).to_owned(),
            reason: reason(treatment),
        }
    }
}

fn rule(treatment: FieldTreatment) -> &'static str {
    match treatment {
        FieldTreatment::Passes(ListingSource::Standard) => "standard",
        FieldTreatment::Passes(ListingSource::Preset) => "preset",
        FieldTreatment::Passes(ListingSource::Operator) => "operator",
        FieldTreatment::Unlisted => "unlisted",
        FieldTreatment::Dropped => "dropped",
        FieldTreatment::Never(FieldMeaning::Connection) => "connection",
        FieldTreatment::Never(FieldMeaning::Message) => "message",
        FieldTreatment::Never(FieldMeaning::Override) => "override",
        FieldTreatment::Never(FieldMeaning::Claim) => "claim",
        FieldTreatment::Never(FieldMeaning::Carrier) => "carrier",
        FieldTreatment::Never(FieldMeaning::Underscore) => "underscore",
    }
}

fn reason(treatment: FieldTreatment) -> String {
    let fixed = match treatment {
        FieldTreatment::Passes(ListingSource::Standard) => "every API gets it",
        FieldTreatment::Passes(ListingSource::Preset) => "the preset of this upstream lists it",
        FieldTreatment::Passes(ListingSource::Operator) => {
            "`pass_request_headers` of this upstream lists it"
        }
        FieldTreatment::Unlisted => {
            "it is not on the list: `pass_request_headers` of this upstream would let it pass"
        }
        FieldTreatment::Dropped => "`drop_request_headers` of this upstream drops it",
        FieldTreatment::Never(FieldMeaning::Override) => {
            "requests with it are refused: it overrides the method or the path"
        }
        FieldTreatment::Never(meaning) => return format!("{meaning}; no setting lets it pass"),
    };
    fixed.to_owned()
}
