//! Settings with their origins, and sections of settings, which can be layered, listed and set from
//! text.
//!
//! `section!` declares the fields of a section once, each with its comment, its form and its
//! default. Reading, layering, `config show`, the schema and the environment all follow the
//! declaration.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as TextError, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ground::fault::Origin;
use crate::ground::userinfo::{json_without_userinfo, value_without_userinfo};

/// A given value, and the place where it was given.
#[derive(Clone, Debug)]
pub struct GivenValue<T> {
    /// The value.
    pub value: T,
    /// The place where the value was given.
    pub origin: Origin,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for GivenValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::deserialize(deserializer)?;
        let origin = Origin::File(spanned.span());
        Ok(Self { value: spanned.into_inner(), origin })
    }
}

impl<T: Serialize> Serialize for GivenValue<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for GivenValue<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A setting, given or not.
#[derive(Clone, Debug)]
pub struct Setting<T>(pub Option<GivenValue<T>>);

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Setting<T> {
    /// Makes a setting with this value.
    pub fn new(value: T, origin: Origin) -> Self {
        Self(Some(GivenValue { value, origin }))
    }

    /// Makes a setting with a default value.
    pub fn by_default(value: T) -> Self {
        Self::new(value, Origin::Default)
    }

    /// Returns this setting or, if not given, the setting of a lower layer.
    pub fn or(self, lower: Self) -> Self {
        Self(self.0.or(lower.0))
    }

    /// Returns the value and its origin, if given.
    pub fn given(&self) -> Option<&GivenValue<T>> {
        self.0.as_ref()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        GivenValue::deserialize(deserializer).map(|given| Self(Some(given)))
    }
}

impl<T: JsonSchema> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// A value that one line of text can give, for instance in an environment variable.
pub trait FromText: Sized {
    /// True if a value may hold a secret, such as the password in a URL. No excerpt of a file shows
    /// such a value.
    const MAY_HOLD_SECRET: bool = false;

    /// Reads the value.
    ///
    /// # Errors
    /// The message says what was expected.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Returns the value as it was written, if its shown form leaves something out. Never shown: for
    /// comparisons alone.
    fn hidden_text(&self) -> Option<&str> {
        None
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("expected `true` or `false`".to_owned()),
        }
    }
}

impl FromText for u64 {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "expected a whole number".to_owned())
    }
}

impl<T> FromText for std::collections::BTreeMap<String, T> {
    fn from_text(_: &str) -> Result<Self, String> {
        Err("a table can be given in the configuration file only".to_owned())
    }
}

impl<T> FromText for Vec<T> {
    fn from_text(_: &str) -> Result<Self, String> {
        Err("a list can be given in the configuration file only".to_owned())
    }
}

/// Reads a word that names one of a few choices.
pub fn choice<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    let words: StrDeserializer<'de, TextError> = text.into_deserializer();
    T::deserialize(words).map_err(|error| {
        let message = error.to_string();
        message.split_once(", ").map_or(message.clone(), |(_, expected)| expected.to_owned())
    })
}

/// A line of `config show`.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The dotted key of the setting.
    pub key: String,
    /// The value in force, as JSON.
    pub value: serde_json::Value,
    /// The place where the value was given.
    pub origin: &'a Origin,
    /// True if the written value may hold a secret. The shown value holds none.
    pub may_hold_secret: bool,
    /// A keyed hash of the written value, its hidden parts included.
    fingerprint: u64,
}

/// The key of the fingerprints of this process.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl<'a> Entry<'a> {
    /// Makes the entry of a given setting, without the users and passwords in URLs.
    pub fn of<T: Serialize + FromText>(key: &str, given: &'a GivenValue<T>) -> Self {
        let entry = Self::listed(key, &given.value, &given.origin);
        let fingerprint = FINGERPRINTS.hash_one((entry.fingerprint, given.value.hidden_text()));
        Self { may_hold_secret: T::MAY_HOLD_SECRET, fingerprint, ..entry }
    }

    /// True if both are the same setting with the same value, wherever it was given.
    pub fn is_same(&self, other: &Entry<'_>) -> bool {
        self.key == other.key && self.fingerprint == other.fingerprint
    }

    /// Makes the entry of a given value of a type that is never secret.
    pub fn listed(key: &str, value: &impl Serialize, origin: &'a Origin) -> Self {
        let written = serde_json::to_value(value).unwrap_or_default();
        Self {
            key: value_without_userinfo(key).into_owned(),
            fingerprint: FINGERPRINTS.hash_one(written.to_string()),
            value: json_without_userinfo(written),
            origin,
            may_hold_secret: false,
        }
    }
}

/// A table of the configuration.
pub trait Section: Sized {
    /// The keys of the section's settings.
    const KEYS: &'static [&'static str];

    /// Returns the section with its default values.
    fn defaults() -> Self;

    /// True if a setting with this key may hold a secret.
    fn may_hold_secret(key: &str) -> bool;

    /// Completes this section by a lower layer.
    fn or(self, lower: Self) -> Self;

    /// Returns all given settings, as `prefix.key`.
    fn entries(&self, prefix: &str) -> Vec<Entry<'_>>;

    /// Sets one of [`Self::KEYS`] from text.
    ///
    /// # Errors
    /// The message says what was expected.
    fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), String>;
}

/// Declares a section: a struct of [`Setting`]s with its [`Section`]. A field is
/// `name: Form = default`; a field without a default has no value unless given.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty $(= $default:expr)?,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, expecting = "a table")]
        pub struct $name {
            $($(#[$about])* #[serde(default)] pub $field: $crate::config::setting::Setting<$type>,)*
        }

        impl $crate::config::setting::Section for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            #[allow(clippy::needless_update, reason = "a section may have a default for each of its settings")]
            fn defaults() -> Self {
                Self { $($($field: $crate::config::setting::Setting::by_default($default),)?)* ..Self::default() }
            }

            fn may_hold_secret(key: &str) -> bool {
                $((key == stringify!($field) && <$type as $crate::config::setting::FromText>::MAY_HOLD_SECRET) ||)* false
            }

            fn or(self, lower: Self) -> Self {
                Self { $($field: self.$field.or(lower.$field)),* }
            }

            fn entries(&self, prefix: &str) -> Vec<$crate::config::setting::Entry<'_>> {
                let mut entries = Vec::new();
                $(if let Some(given) = self.$field.given() {
                    entries.push($crate::config::setting::Entry::of(&format!("{prefix}.{}", stringify!($field)), given));
                })*
                entries
            }

            fn set(&mut self, key: &str, text: &str, origin: $crate::ground::fault::Origin) -> Result<(), String> {
                $(if key == stringify!($field) {
                    let value = <$type as $crate::config::setting::FromText>::from_text(text)?;
                    self.$field = $crate::config::setting::Setting::new(value, origin);
                    return Ok(());
                })*
                Err("there is no such setting".to_owned())
            }
        }
    };
}
pub(crate) use section;

/// Reads the words of a choice from a line of text, as from a file.
macro_rules! choices {
    ($($name:ident),*) => {
        $(impl $crate::config::setting::FromText for $name {
            fn from_text(text: &str) -> Result<Self, String> {
                $crate::config::setting::choice(text)
            }
        })*
    };
}
pub(crate) use choices;
