//! A search in an upstream's list of items while the list is parsed: a listing may be long, and a
//! tree of the listing takes many times its length.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{ListItem, ListItemsObject, folded};
use crate::json::{Name, UniqueNames, UniqueScan, lenient};

/// True if the list holds any of `items`. `None` if the text is not of the right form.
pub(super) fn find_any(object: &ListItemsObject, json: &[u8], items: &[ListItem]) -> Option<bool> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let found = deserializer.deserialize_map(Listing { object, items }).ok()?;
    deserializer.end().ok()?;
    found
}

/// The object that holds the list.
struct Listing<'s> {
    object: &'s ListItemsObject,
    items: &'s [ListItem],
}

impl<'de> Visitor<'de> for Listing<'_> {
    /// The result of the search; `None` if the object has no list.
    type Value = Option<bool>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Option<bool>, A::Error> {
        let (mut names, mut found) = (UniqueNames::default(), None);
        while let Some(Name(name)) = members.next_key()? {
            if *name == *self.object.list {
                found = Some(members.next_value_seed(List(&self))?);
            } else {
                members.next_value::<UniqueScan>()?;
            }
            names.note(lenient(name))?;
        }
        Ok(found)
    }
}

/// The list, searched for a wanted item.
struct List<'l, 's>(&'l Listing<'s>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(key) = list.next_element_seed(ListedItem(self.0.object))? {
            found |= self.0.items.iter().any(|item| item.key == key);
        }
        Ok(found)
    }
}

/// A list item of the listing, read as the values of its key, in lower case.
struct ListedItem<'s>(&'s ListItemsObject);

impl<'de> DeserializeSeed<'de> for ListedItem<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ListedItem<'_> {
    type Value = Vec<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with the members of the key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<String>, A::Error> {
        let mut names = UniqueNames::default();
        let mut key: Vec<Option<String>> = vec![None; self.0.key.len()];
        while let Some(Name(name)) = members.next_key()? {
            let position = self.0.key.iter().position(|member| *member == *name);
            match position.and_then(|at| key.get_mut(at)) {
                Some(found) => {
                    let Name(value): Name<'de> = members.next_value()?;
                    *found = Some(folded(&value));
                }
                None => {
                    members.next_value::<UniqueScan>()?;
                }
            }
            names.note(lenient(name))?;
        }
        key.into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| A::Error::custom("a member of the key is missing"))
    }
}
