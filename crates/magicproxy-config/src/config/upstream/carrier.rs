//! Carriers as written, and the checked carriers made from the text.
//!
//! People write a credential in place of the carrier's name, so a text that names no carrier is
//! never shown.

use magicproxy_proxy::settings::{CredentialCarrier, ParseCarrierError, TokenCarrier};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::config::check::{Checker, list};
use crate::config::setting::{FromText, GivenValue, Setting};
use crate::ground::fault::Fault;
use crate::ground::suggest;

const WORDS: [&str; 6] = ["bearer", "token", "basic", "header", "query", "subprotocol"];
const NOT_THE_SECRET: &str = "this names the place of a secret and not the secret: a credential is given when a token is minted, and travels in it";

/// The name of a carrier as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct CarrierText(pub String);

impl CarrierText {
    fn names_a_carrier(&self) -> bool {
        CredentialCarrier::parse(&self.0).is_ok() || TokenCarrier::parse(&self.0).is_ok()
    }
}

impl FromText for CarrierText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// Writes the name for `config show`, masked if the text names no carrier.
impl Serialize for CarrierText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.names_a_carrier() { &self.0 } else { "***" })
    }
}

impl JsonSchema for CarrierText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Carrier".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(bearer|token|basic(:[^:]+)?|header:.+|query:.+|subprotocol:.+)$",
            "description": "`bearer`, `token`, `basic`, `basic:USER`, `header:NAME`, `query:NAME` or `subprotocol:PREFIX`; for tokens only the last three, for credentials not the last."
        })
    }
}

impl Checker<'_> {
    /// Checks the carrier of the credential. A fault is reported, and the default takes its place.
    pub(super) fn credential_carrier(
        &mut self,
        key: &str,
        setting: &Setting<CarrierText>,
    ) -> CredentialCarrier {
        let Some(given) = setting.given() else { return CredentialCarrier::default() };
        match CredentialCarrier::parse(&given.value.0) {
            Ok(carrier) => carrier,
            Err(error) => {
                self.carrier_fault(key, given, error);
                CredentialCarrier::default()
            }
        }
    }

    /// Checks the further carriers of tokens.
    pub(super) fn token_carriers(
        &mut self,
        key: &str,
        setting: &Setting<Vec<GivenValue<CarrierText>>>,
    ) -> Vec<TokenCarrier> {
        let mut carriers = Vec::new();
        for given in list(setting) {
            match TokenCarrier::parse(&given.value.0) {
                Ok(carrier) => carriers.push(carrier),
                Err(error) => self.carrier_fault(key, given, error),
            }
        }
        carriers
    }

    fn carrier_fault(
        &mut self,
        key: &str,
        given: &GivenValue<CarrierText>,
        error: ParseCarrierError,
    ) {
        let word = given.value.0.split(':').next().unwrap_or_default();
        let help = match (error, suggest::nearest(word, WORDS)) {
            (ParseCarrierError::Credential | ParseCarrierError::Token, Some(meant)) => {
                format!("did you mean `{meant}`?")
            }
            (ParseCarrierError::Credential, None) => NOT_THE_SECRET.to_owned(),
            (ParseCarrierError::Token, None) => {
                "headers for keys that many clients know are always looked at".to_owned()
            }
            _ => {
                return self
                    .push(Fault::new(format!("{key}: {error}"), given.origin.clone()).hidden());
            }
        };
        self.push(Fault::new(format!("{key}: {error}"), given.origin.clone()).help(help).hidden());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_what_names_a_carrier() {
        let shown = |text: &str| serde_json::to_value(CarrierText(text.to_owned())).unwrap();
        assert_eq!(shown("header:X-API-Key"), "header:X-API-Key");
        assert_eq!(shown("ghp_secret"), "***");
    }
}
