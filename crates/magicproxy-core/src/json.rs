//! JSON read strictly: objects are objects, absent is not null, and what is there twice is refused (by `serde`'s derived types).

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a JSON object. `serde` alone would take a list of the members' values for one.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(serde_json::Error::custom("expected a JSON object"));
    }
    serde_json::from_slice(json)
}

/// The same without white space around it or before the first member: `token-v2.md` section 1.3.
pub(crate) fn compact_object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    if !(json.starts_with(b"{\"") && json.ends_with(b"}")) {
        return Err(serde_json::Error::custom("expected a JSON object, `{\"` first and `}` last"));
    }
    serde_json::from_slice(json)
}

/// A member that is there must have its type: null is not the same as absent.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// [`present`], for an object inside an object.
pub(crate) fn present_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    inner_object(deserializer).map(Some)
}

/// An object inside an object or a list, which no list stands for.
pub(crate) fn inner_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct OnlyMap<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
        type Value = T;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(OnlyMap(PhantomData))
}
