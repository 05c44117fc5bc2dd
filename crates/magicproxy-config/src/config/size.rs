//! Sizes: `16MiB`, or a number of bytes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::setting::FromText;

/// A size as written, not yet read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SizeText(pub String);

const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl SizeText {
    /// Returns the size in bytes.
    ///
    /// # Errors
    /// The message says what was expected.
    pub fn bytes(&self) -> Result<u64, String> {
        let text = self.0.trim();
        let unit = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)));
        let (number, unit) = unit.unwrap_or((text, 1));
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        bytes.ok_or_else(|| "expected a size such as `16MiB`, or a number of bytes".to_owned())
    }
}

impl FromText for SizeText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = SizeText;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a size such as `16MiB`, or a number of bytes")
            }
            fn visit_str<E>(self, text: &str) -> Result<SizeText, E> {
                Ok(SizeText(text.to_owned()))
            }
            fn visit_i64<E>(self, bytes: i64) -> Result<SizeText, E> {
                Ok(SizeText(bytes.to_string()))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "description": "A size such as `16MiB`, or a number of bytes." })
    }
}
