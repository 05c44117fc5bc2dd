//! The forms that single values of the configuration take.
//!
//! Words that name a choice are enums, so that the reader, the environment and the JSON Schema know the same ones.

use std::fmt;

use magicproxy_core::{Kem, RawRule, TokenVersion};
use magicproxy_proxy::settings::StrangerState;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::setting::{FromText, Given, choice};
use crate::ground::fault::Origin;
use crate::providers::PresetChoice;
use crate::providers::words::{ReadingChoice, RefusalChoice, SlashChoice};

/// Who may mint over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MintPolicy {
    /// Whoever brings a credential.
    Open,
    /// Nobody; `magicproxy mint` still works beside the keys.
    Closed,
}

/// What clients without a token are told about upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnnounceChoice {
    /// The API at the root of the proxy, and nothing else.
    Root,
    /// All upstreams with their names, mounts and API roots, and the names of scopes.
    All,
}

/// A version of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VersionChoice {
    /// Signed by the proxy.
    V1,
    /// Sealed to the proxy's public key by whoever has it.
    V2,
}

impl From<VersionChoice> for TokenVersion {
    fn from(choice: VersionChoice) -> Self {
        match choice {
            VersionChoice::V1 => Self::V1,
            VersionChoice::V2 => Self::V2,
        }
    }
}

/// A KEM of sealed tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum KemChoice {
    /// X25519 alone.
    #[serde(rename = "x25519")]
    X25519,
    /// ML-KEM-768 and X25519 together.
    #[serde(rename = "x-wing")]
    XWing,
}

impl From<KemChoice> for Kem {
    fn from(choice: KemChoice) -> Self {
        match choice {
            KemChoice::X25519 => Self::X25519,
            KemChoice::XWing => Self::XWing,
        }
    }
}

/// On which listeners of TCP the name is checked that a request calls the proxy by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HostCheckChoice {
    /// On those with a loopback address.
    Loopback,
    /// On all of them.
    Everywhere,
}

/// Names of headers, as they are written: a list, or in a variable of the environment with commas between them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct HeaderNames(pub(crate) Vec<Given<String>>);

impl FromText for HeaderNames {
    fn from_text(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        // A variable has no lines: the origin is that of the whole list.
        Ok(Self(names.map(|name| Given { value: name.to_owned(), origin: Origin::Default }).collect()))
    }
}

/// What an API is told about the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ForwardingChoice {
    /// Nothing.
    None,
    /// `Forwarded` and `Via`.
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `Via`.
    XForwarded,
}

/// What is spoken to an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum ProtocolChoice {
    /// HTTP/2 in shared connections where the API agrees to it by ALPN, else HTTP/1.1.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1, in a connection for each request.
    #[serde(rename = "http/1.1", alias = "h1")]
    Http1,
    /// As `auto`, for API roots that begin with `https://`.
    #[serde(rename = "h2")]
    Http2,
}

/// Where state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreChoice {
    /// A file of one proxy.
    Redb,
    /// A Valkey or Redis that several share.
    Valkey,
    /// Nowhere: it ends with the process.
    Memory,
    /// There is none, and tokens that need one are refused.
    None,
}

/// What becomes of requests that need state, with tokens that anyone can mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StrangersChoice {
    /// They are refused.
    Refuse,
    /// They are carried out.
    Accept,
}

impl From<StrangersChoice> for StrangerState {
    fn from(choice: StrangersChoice) -> Self {
        match choice {
            StrangersChoice::Refuse => Self::Refuse,
            StrangersChoice::Accept => Self::Accept,
        }
    }
}

/// The URL of a store: it may hold a password, and is shown without.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct StoreUrlText(pub(crate) String);

impl StoreUrlText {
    fn shown(&self) -> String {
        self.0.parse().map_or_else(|_| "(not shown)".to_owned(), |url: magicproxy_state::ValkeyUrl| url.to_string())
    }
}

impl fmt::Debug for StoreUrlText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoreUrlText({})", self.shown())
    }
}

impl Serialize for StoreUrlText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl FromText for StoreUrlText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For machines.
    Json,
    /// For people.
    Pretty,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// What is odd.
    Warn,
    /// One line for each request.
    Info,
    /// Connections too.
    Debug,
    /// Everything.
    Trace,
}

/// What a failure of a plugin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailureChoice {
    /// The request is denied.
    Deny,
    /// Others decide.
    Abstain,
}

macro_rules! choices {
    ($($name:ident),*) => {
        $(impl FromText for $name {
            fn from_text(text: &str) -> Result<Self, String> {
                choice(text)
            }
        })*
    };
}
choices!(
    FailureChoice,
    StoreChoice,
    StrangersChoice,
    PresetChoice,
    MintPolicy,
    AnnounceChoice,
    SlashChoice,
    ReadingChoice,
    RefusalChoice,
    ForwardingChoice,
    HostCheckChoice,
    ProtocolChoice,
    LogFormat,
    LogLevel,
    VersionChoice,
    KemChoice
);

/// A duration as it is written: `24h`, `15m`, or a number of seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct DurationText(pub(crate) String);

impl FromText for DurationText {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = DurationText;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as `24h`, or a number of seconds")
            }
            fn visit_str<E>(self, text: &str) -> Result<DurationText, E> {
                Ok(DurationText(text.to_owned()))
            }
            fn visit_i64<E>(self, seconds: i64) -> Result<DurationText, E> {
                Ok(DurationText(seconds.to_string()))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "description": "A duration such as `24h` or `1h 30m`, or a number of seconds." })
    }
}

/// A rule as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawRuleSetting(pub(crate) RawRule);

impl JsonSchema for RawRuleSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // An object is a schema.
        Schema::try_from(magicproxy_core::rule::schema()).unwrap_or_default()
    }
}
