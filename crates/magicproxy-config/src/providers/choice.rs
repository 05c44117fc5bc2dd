//! Words of the configuration that name a provider, or the shape of its refusals.

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

/// A preset: the API that it is for, or `none`, where nothing is taken for granted.
#[derive(Clone, Copy, Debug)]
pub struct PresetChoice(Option<&'static Provider>);

impl PresetChoice {
    /// Nothing is taken for granted.
    const NONE: Self = Self(None);

    /// The preset that a table with this name has without saying so.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|preset| preset.name() == name)
    }

    /// The API that it is for, if any.
    pub fn provider(self) -> Option<&'static Provider> {
        self.0
    }

    /// The kind of API that it is for, if any.
    pub fn api(self) -> Option<&'static str> {
        self.0.map(|provider| provider.name)
    }

    /// The preset's name.
    pub fn name(self) -> &'static str {
        self.api().unwrap_or("none")
    }

    /// The kinds of API that are known.
    pub fn apis() -> impl Iterator<Item = &'static str> {
        PROVIDERS.iter().map(|provider| provider.name)
    }

    /// The preset whose API root this is.
    pub fn of_root(root: &str) -> Option<Self> {
        let root = root.trim_end_matches('/');
        PROVIDERS.into_iter().find(|provider| provider.api_root == Some(root)).map(Self::from)
    }

    /// The request headers that it adds to those that every API gets.
    pub fn request_headers(self) -> impl ExactSizeIterator<Item = &'static str> {
        self.0.map_or(&[][..], |provider| provider.request_headers).iter().map(|(name, _)| *name)
    }

    /// The API root that a preset brings.
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

/// The shape of what the proxy refuses.
#[derive(Clone, Copy, Debug)]
pub struct RefusalChoice(pub(super) &'static Refusals);

impl RefusalChoice {
    /// That which a provider's clients know.
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

/// One of the words that a list has. It is written, read and described as a choice of serde and schemars is.
trait Word: Copy + 'static {
    /// The name of the type in the schema.
    const NAME: &'static str;
    /// What the schema says of the type.
    const ABOUT: &'static str;

    fn all() -> impl Iterator<Item = Self>;
    fn word(self) -> &'static str;
    fn about(self) -> &'static str;
    /// Every word.
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

/// Reads one of the words.
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

/// The word itself: what is wrong with it is at its place.
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

/// What serde and schemars ask of a type, from its [`Word`]s.
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
