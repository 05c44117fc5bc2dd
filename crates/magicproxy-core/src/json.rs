//! Strict reading of JSON: a list never stands for an object, null is not absence, and a repeated
//! member is refused (by `serde`'s derived types).

pub mod form;
mod lenient;
mod shape;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, SeqAccess,
    Visitor,
};
use serde::{Deserialize, Deserializer};

use form::ValueFault;

pub(crate) use lenient::{LenientNames, folded, lenient};

/// Reads a JSON object. `serde` alone would also accept a list of the members' values.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(serde_json::Error::custom("expected a JSON object"));
    }
    serde_json::from_slice(json)
}

/// Reads a JSON object that may have unknown members. Refuses repeated names and lone surrogates in
/// unknown members, too.
pub(crate) fn extensible_object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice::<UniqueScan>(json)?;
    object(json)
}

/// Reads a JSON object as [`object`] does, and refuses white space around the object or before the
/// first member: `token-v2.md` section 1.3.
pub(crate) fn compact_object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    if !(json.starts_with(b"{\"") && json.ends_with(b"}")) {
        return Err(serde_json::Error::custom(ValueFault::NotCompact));
    }
    serde_json::from_slice(json)
}

/// Reads an optional member. A present member must have its type: null is not the same as absent.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads an optional member as [`present`] does, for an object inside an object.
pub(crate) fn present_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    inner_object(deserializer).map(Some)
}

/// Reads an object inside an object or a list, and refuses a list in the object's place.
pub(crate) fn inner_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
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

/// Reads an object whose members have names of the writer's choice, and refuses a repeated name:
/// `serde` alone would keep the last value.
///
/// # Errors
/// The deserialiser's errors, and an error if a member occurs twice.
pub fn unique_map<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, T>, D::Error> {
    struct Members<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = BTreeMap<String, T>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(
            self,
            mut members: A,
        ) -> Result<BTreeMap<String, T>, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = members.next_entry()? {
                if map.insert(name, value).is_some() {
                    return Err(A::Error::custom(ValueFault::RepeatedName));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Members(PhantomData))
}

/// Reads an optional member as [`unique_map`] does; null is not the same as absent.
pub(crate) fn present_unique_map<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, T>>, D::Error> {
    unique_map(deserializer).map(Some)
}

/// Reads an optional list, or a single value in place of a list with one item: for texts that
/// people write.
pub(crate) fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    struct OneOrMore<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
        type Value = Vec<T>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list, or one value")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(text.into_deserializer()).map(|value| vec![value])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|value| vec![value])
        }
    }
    deserializer.deserialize_any(OneOrMore(PhantomData)).map(Some)
}

/// Reads a required member as [`one_or_more`] does.
pub(crate) fn at_least_one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    one_or_more(deserializer).map(Option::unwrap_or_default)
}

/// A JSON value of any kind in which no object has a repeated member: two readers of a repeated
/// member could see two different values.
#[derive(Debug)]
pub struct UniqueValue(pub serde_json::Value);

impl UniqueValue {
    /// Reads a text that holds at most `most` values, those inside of lists and objects included. A
    /// tree takes up to eighty times the memory of its text, so the length of a text is no bound.
    pub(crate) fn within(json: &[u8], most: usize) -> serde_json::Result<Self> {
        let left = Cell::new(most);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = CountedValue { left: &left }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(Self(value))
    }
}

impl<'de> Deserialize<'de> for UniqueValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CountedValue { left: &Cell::new(usize::MAX) }.deserialize(deserializer).map(Self)
    }
}

/// The reading of a value and of all values inside, each of which takes one of those left.
#[derive(Clone, Copy)]
struct CountedValue<'c> {
    left: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for CountedValue<'_> {
    type Value = serde_json::Value;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<serde_json::Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom("there are more values than are read"));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CountedValue<'_> {
    type Value = serde_json::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<serde_json::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<serde_json::Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<serde_json::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<serde_json::Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(ValueFault::RepeatedName));
            }
        }
        Ok(object.into())
    }
}

/// The most members of an object that is read without being kept. The names are remembered until
/// the object's end, so their number needs a bound.
pub(crate) const MAX_MEMBERS: usize = 1_024;

/// The names of an object's members so far, or their [`lenient()`] readings. A repeated name is an
/// error.
#[derive(Debug, Default)]
pub(crate) struct UniqueNames<'de>(HashSet<Cow<'de, str>>);

impl<'de> UniqueNames<'de> {
    /// Notes a further name. Refuses a repeated name and more than [`MAX_MEMBERS`] names.
    pub(crate) fn note<E: serde::de::Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        if self.0.len() >= MAX_MEMBERS {
            return Err(E::custom("an object has more members than are read"));
        }
        if self.0.insert(name) { Ok(()) } else { Err(E::custom(ValueFault::RepeatedName)) }
    }
}

/// A member's name, borrowed from the text unless the name contains an escape.
#[derive(Debug, Deserialize)]
pub(crate) struct Name<'n>(#[serde(borrow)] pub(crate) Cow<'n, str>);

/// A check that no object in a JSON value has a repeated member, like [`UniqueValue`] but without
/// building a tree: only the names of the open objects are remembered.
#[derive(Debug)]
pub(crate) struct UniqueScan;

impl<'de> Deserialize<'de> for UniqueScan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkippingVisitor)
    }
}

struct SkippingVisitor;

impl<'de> Visitor<'de> for SkippingVisitor {
    type Value = UniqueScan;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueScan, E> {
        Ok(UniqueScan)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<UniqueScan, A::Error> {
        while list.next_element::<UniqueScan>()?.is_some() {}
        Ok(UniqueScan)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<UniqueScan, A::Error> {
        let mut names = UniqueNames::default();
        while let Some(Name(name)) = members.next_key()? {
            names.note(name)?;
            members.next_value::<UniqueScan>()?;
        }
        Ok(UniqueScan)
    }
}
