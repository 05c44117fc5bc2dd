//! Ids of objects: digests, of SHA-1 or SHA-256, written in lowercase hexadecimal digits.

use std::fmt;

/// The hash by which a repository names its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectFormat {
    /// SHA-1: 40 digits. What a push means that does not name its format.
    #[default]
    Sha1,
    /// SHA-256: 64 digits.
    Sha256,
}

impl ObjectFormat {
    /// Reads the value of the capability `object-format`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Returns the name that the capability `object-format` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// Returns the length of an id in bytes.
    #[must_use]
    pub fn id_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Returns the length of an id in hexadecimal digits.
    #[must_use]
    pub fn id_digits(self) -> usize {
        2 * self.id_bytes()
    }
}

/// The id of an object, or the zero id, which stands for no object.
///
/// Ids of two formats are never equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    format: ObjectFormat,
    // INVARIANT: zero beyond the length of an id of the format.
    bytes: [u8; 32],
}

/// A text that is no id of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an object id of {} has {} lowercase hexadecimal digits", .0.name(), .0.id_digits())]
pub struct ParseObjectIdError(ObjectFormat);

impl ObjectId {
    /// Reads exactly as many lowercase hexadecimal digits as an id of the format has.
    ///
    /// # Errors
    ///
    /// On anything else, uppercase digits and short forms of an id included.
    pub fn parse(format: ObjectFormat, digits: &[u8]) -> Result<Self, ParseObjectIdError> {
        let fault = ParseObjectIdError(format);
        if digits.len() != format.id_digits() {
            return Err(fault);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                *byte = *byte << 4 | value(*digit).ok_or(fault)?;
            }
        }
        Ok(Self { format, bytes })
    }

    /// Takes the bytes of a digest; `None` if they are not as many as an id of the format has.
    #[must_use]
    pub fn from_bytes(format: ObjectFormat, digest: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        if digest.len() != format.id_bytes() {
            return None;
        }
        for (byte, given) in bytes.iter_mut().zip(digest) {
            *byte = *given;
        }
        Some(Self { format, bytes })
    }

    /// Returns the zero id.
    #[must_use]
    pub fn zero(format: ObjectFormat) -> Self {
        Self { format, bytes: [0; 32] }
    }

    /// True for the id that stands for no object.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes == [0; 32]
    }

    /// Returns the format.
    #[must_use]
    pub fn format(&self) -> ObjectFormat {
        self.format
    }
}

/// Returns what a lowercase hexadecimal digit stands for.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes
            .iter()
            .take(self.format.id_bytes())
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::{ObjectFormat, ObjectId};

    #[test]
    fn an_id_is_lowercase_digits_of_the_right_number() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let digits = "0123456789abcdef".repeat(4)[..format.id_digits()].to_owned();
            let id = ObjectId::parse(format, digits.as_bytes()).unwrap();
            assert_eq!(id.to_string(), digits);
            assert!(!id.is_zero());
            let refused = [
                digits.to_uppercase(),
                digits[1..].to_owned(),
                format!("{digits}0"),
                format!("g{}", &digits[1..]),
                format!(" {}", &digits[1..]),
                String::new(),
            ];
            for text in refused {
                assert!(ObjectId::parse(format, text.as_bytes()).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn ids_of_two_formats_are_never_equal() {
        assert_ne!(ObjectId::zero(ObjectFormat::Sha1), ObjectId::zero(ObjectFormat::Sha256));
        assert!(ObjectId::from_bytes(ObjectFormat::Sha1, &[1; 32]).is_none());
        let id = ObjectId::from_bytes(ObjectFormat::Sha1, &[1; 20]).unwrap();
        assert_eq!(id.to_string(), "01".repeat(20));
    }
}
