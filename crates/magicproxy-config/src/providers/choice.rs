//! The words of the configuration that name a provider, or the shape of refusals.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::LazyLock;

use magicproxy_proxy::settings::RefusalShape;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, EnumAccess, Error, VariantAccess as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::refusals::{PROBLEM, REFUSALS, Refusals};
use super::{PROVIDERS, Provider};

/// A preset: a known API, or `none`, which assumes nothing about the API.
#[derive(Clone, Copy, Debug)]
pub struct PresetChoice(Option<&'static Provider>);

impl PresetChoice {
    /// The preset `none`, which assumes nothing about the API.
    const NONE: Self = Self(None);

    /// Returns the default preset of a table with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|preset| preset.name() == name)
    }

    /// Returns the known API of the preset, if any.
    pub fn provider(self) -> Option<&'static Provider> {
        self.0
    }

    /// Returns the kind of API that the preset is for, if any.
    pub fn api(self) -> Option<&'static str> {
        self.0.map(|provider| provider.name)
    }

    /// Returns the preset's name.
    pub fn name(self) -> &'static str {
        self.api().unwrap_or("none")
    }

    /// Returns the kinds of known APIs.
    pub fn apis() -> impl Iterator<Item = &'static str> {
        PROVIDERS.iter().map(|provider| provider.name)
    }

    /// Returns the preset with this API root.
    pub fn of_root(root: &str) -> Option<Self> {
        let root = root.trim_end_matches('/');
        PROVIDERS.into_iter().find(|provider| provider.api_root == Some(root)).map(Self::from)
    }

    /// Returns the request headers that the preset adds to the headers that pass to every API.
    pub fn request_headers(self) -> impl ExactSizeIterator<Item = &'static str> {
        self.0.map_or(&[][..], |provider| provider.request_headers).iter().map(|(name, _)| *name)
    }

    /// Returns the API root of the preset with this name.
    pub fn root_of(name: &str) -> Option<&'static str> {
        Provider::named(name)?.api_root
    }
}

impl From<&'static Provider> for PresetChoice {
    fn from(provider: &'static Provider) -> Self {
        Self(Some(provider))
    }
}

impl PartialEq for PresetChoice {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// The shape of the proxy's refusals.
#[derive(Clone, Copy, Debug)]
pub struct RefusalChoice(pub(super) &'static Refusals);

impl RefusalChoice {
    /// Returns the shape that a provider's clients understand.
    pub fn of(provider: &Provider) -> Self {
        Self(provider.refusals)
    }
}

impl Default for RefusalChoice {
    fn default() -> Self {
        Self(&PROBLEM)
    }
}

impl From<RefusalChoice> for RefusalShape {
    fn from(choice: RefusalChoice) -> Self {
        choice.0.shape
    }
}

/// A word of a fixed list, written, read and described like a choice of serde and schemars.
trait Word: Copy + 'static {
    /// The name of the type in the schema.
    const NAME: &'static str;
    /// The description of the type in the schema.
    const ABOUT: &'static str;

    fn all() -> impl Iterator<Item = Self>;
    fn word(self) -> &'static str;
    fn about(self) -> &'static str;
    /// Returns every word.
    fn words() -> &'static [&'static str];
}

impl Word for PresetChoice {
    const NAME: &'static str = "PresetChoice";
    const ABOUT: &'static str = "The presets.";

    fn all() -> impl Iterator<Item = Self> {
        [Self::NONE].into_iter().chain(PROVIDERS.into_iter().map(Self::from))
    }

    fn word(self) -> &'static str {
        self.name()
    }

    fn about(self) -> &'static str {
        self.0.map_or("Nothing is taken for granted.", |provider| provider.about)
    }

    fn words() -> &'static [&'static str] {
        static WORDS: LazyLock<Vec<&str>> =
            LazyLock::new(|| PresetChoice::all().map(Word::word).collect());
        &WORDS
    }
}

impl Word for RefusalChoice {
    const NAME: &'static str = "RefusalChoice";
    const ABOUT: &'static str = "The shape of what the proxy refuses.";

    fn all() -> impl Iterator<Item = Self> {
        REFUSALS.into_iter().map(Self)
    }

    fn word(self) -> &'static str {
        self.0.name
    }

    fn about(self) -> &'static str {
        self.0.about
    }

    fn words() -> &'static [&'static str] {
        static WORDS: LazyLock<Vec<&str>> =
            LazyLock::new(|| RefusalChoice::all().map(Word::word).collect());
        &WORDS
    }
}

/// A reader of one of the words.
struct Reader<T>(PhantomData<T>);

impl<'de, T: Word> Visitor<'de> for Reader<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "enum {}", T::NAME)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        let (choice, nothing) = access.variant_seed(self)?;
        nothing.unit_variant().map(|()| choice)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::all()
            .find(|choice| choice.word() == word)
            .ok_or_else(|| E::unknown_variant(word, T::words()))
    }
}

/// Reads the word directly, so that a fault points at the place of the word.
impl<'de, T: Word> DeserializeSeed<'de> for Reader<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

fn schema<T: Word>() -> Schema {
    let each = |choice: T| json_schema!({ "description": choice.about(), "type": "string", "const": choice.word() });
    let choices: Vec<Schema> = T::all().map(each).collect();
    json_schema!({ "description": T::ABOUT, "oneOf": choices })
}

/// Implements the traits of serde and schemars from a type's [`Word`]s.
macro_rules! words {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_enum(Self::NAME, Self::words(), Reader(PhantomData))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Self::NAME.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schema::<Self>()
            }
        }
    )*};
}

words!(PresetChoice, RefusalChoice);
