//! The lists of headers of an upstream: headers to pass, headers to drop, and the faults of headers
//! that cannot pass.

use std::sync::Arc;

use http::HeaderName;
use magicproxy_proxy::header::{FieldTreatment, RequestFields};
use magicproxy_proxy::settings::{FieldMeaning, PassedHeader, UpstreamSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawUpstream, Table};
use crate::config::check::Checker;
use crate::config::setting::{FromText, GivenValue, Setting};
use crate::ground::fault::{Fault, Origin};

/// Names of headers, as written: a list, or an environment variable with commas between the names.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct HeaderNames(pub Vec<GivenValue<String>>);

impl FromText for HeaderNames {
    fn from_text(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        // A variable has no lines, so each name has the origin of the whole list.
        Ok(Self(
            names
                .map(|name| GivenValue { value: name.to_owned(), origin: Origin::Default })
                .collect(),
        ))
    }
}

/// Returns the names as written.
pub(super) fn names_in(setting: &Setting<HeaderNames>) -> &[GivenValue<String>] {
    setting.given().map_or(&[], |given| &given.value.0)
}

impl Checker<'_> {
    pub(super) fn header_names(
        &mut self,
        key: &str,
        given: &[GivenValue<String>],
    ) -> Vec<HeaderName> {
        let mut names = Vec::new();
        for given in given {
            match given.value.parse() {
                Ok(name) => names.push(name),
                Err(_) => {
                    self.header_fault(key, given, "expected the name of a header", &given.origin)
                }
            }
        }
        names
    }

    /// Returns the headers that the preset lets pass. A preset's names are part of this program,
    /// and right.
    pub(super) fn preset_headers(&mut self, raw: &RawUpstream) -> Vec<PassedHeader> {
        let names = raw.preset.given().into_iter().flat_map(|given| given.value.request_headers());
        names.filter_map(|name| PassedHeader::parse_preset(name).ok()).collect()
    }

    /// Checks the headers that the operator lets pass; each fault points at the name.
    pub(super) fn passed_headers(&mut self, table: &Table<'_>) -> Vec<PassedHeader> {
        let key = table.key("pass_request_headers");
        let setting = &table.raw.pass_request_headers;
        let mut passed = Vec::new();
        for given in names_in(setting) {
            match PassedHeader::parse(&given.value) {
                Ok(header) => passed.push(header),
                Err(error) => {
                    self.header_fault(&key, given, &error.to_string(), origin_of(given, setting))
                }
            }
        }
        passed
    }

    /// Reports a fault. If the operator wrote a header's value behind its name, the value is not
    /// repeated.
    fn header_fault(
        &mut self,
        key: &str,
        given: &GivenValue<String>,
        reason: &str,
        origin: &Origin,
    ) {
        let fault = match given.value.split_once(": ") {
            None => Fault::new(format!("{key} `{}`: {reason}", given.value), origin.clone()),
            Some((name, _)) => Fault::new(
                format!("{key} `{name}`: expected the name of a header without its value"),
                origin.clone(),
            )
            .hidden(),
        };
        self.faults.push(fault);
    }

    /// Refuses to pass a field in which another upstream takes tokens. A client that mistakes one
    /// upstream for the other would otherwise leak a token.
    pub(super) fn pass_no_carriers(
        &mut self,
        tables: &[Table<'_>],
        checked: &[Arc<UpstreamSettings>],
    ) {
        for (table, upstream) in tables.iter().zip(checked) {
            let fields = RequestFields::of(upstream, checked);
            let setting = &table.raw.pass_request_headers;
            for given in names_in(setting) {
                let Ok(header) = PassedHeader::parse(&given.value) else { continue };
                let treatment = header.name().map(|name| fields.treatment(name));
                if treatment == Some(FieldTreatment::Never(FieldMeaning::Carrier)) {
                    let key = table.key("pass_request_headers");
                    let fault = format!(
                        "{key} `{}`: {}, so that no setting lets it pass",
                        given.value,
                        FieldMeaning::Carrier
                    );
                    self.fault(fault, origin_of(given, setting));
                }
            }
        }
    }
}

/// Returns the place of a name; names in a variable have no place of their own.
fn origin_of<'g>(given: &'g GivenValue<String>, setting: &'g Setting<HeaderNames>) -> &'g Origin {
    match (&given.origin, setting.given()) {
        (Origin::Default, Some(whole)) => &whole.origin,
        (own, _) => own,
    }
}
