//! The shape of a JSON text: the kinds of its values in their places, without texts, which may be
//! secrets.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON value without its text.
#[derive(Debug)]
pub(super) enum Shape {
    Null,
    Flag(bool),
    /// A number, with its value if whole and not negative.
    Number(Option<u64>),
    Text,
    List(Vec<Shape>),
    /// An object, with its members in the order of the text; a name may occur twice.
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// The value's kind, for a message.
    pub(super) fn found(&self) -> ValueKind {
        match self {
            Self::Null => ValueKind::Null,
            Self::Flag(flag) => ValueKind::Flag(*flag),
            Self::Number(number) => ValueKind::Number(*number),
            Self::Text => ValueKind::Text,
            Self::List(_) => ValueKind::List,
            Self::Object(_) => ValueKind::Object,
        }
    }
}

/// A JSON value as a message names the value, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// The value `null`.
    Null,
    /// The value `true` or `false`.
    Flag(bool),
    /// A number, with its value if whole and not negative.
    Number(Option<u64>),
    /// A text.
    Text,
    /// A list.
    List,
    /// An object.
    Object,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null (leave the member out instead)"),
            Self::Flag(flag) => write!(formatter, "`{flag}`"),
            Self::Number(Some(number)) => write!(formatter, "the number {number}"),
            Self::Number(None) => {
                formatter.write_str("a number that is negative, too large or not whole")
            }
            Self::Text => formatter.write_str("a text"),
            Self::List => formatter.write_str("a list"),
            Self::Object => formatter.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Shape, E> {
        Ok(Shape::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(Shape::Number(Some(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Number(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Number(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Shape::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Shape::Object(object))
    }
}
