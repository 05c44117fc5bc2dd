//! An upstream's reading of paths: `request-target.md` section 4.

/// The meaning of `%2F` inside a path, for an upstream. Configured by the operator as
/// `encoded_slash`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// Unknown: a target with `%2F` is refused.
    #[default]
    Refuse,
    /// A character or a separator: the request must be allowed with `%2F` read as an ordinary
    /// character and as `/`.
    Both,
    /// An ordinary character.
    Opaque,
}

/// The meaning of `%25`, of `;`, and of characters that normalise to a dot, a slash, a backslash or
/// a `%`, for an upstream. Configured by the operator as `path_reading`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathReading {
    /// Unknown: a target with any of these characters is refused.
    #[default]
    Strict,
    /// A path is percent-decoded once, and every character then stands for itself.
    DecodeOnce,
    /// The same as [`PathReading::DecodeOnce`], apart from path parameters: the text behind a `;`
    /// in a segment may be cut off, as servlet containers do. The request must be allowed with the
    /// parameters and without.
    Servlet,
    /// A path is percent-decoded once and then normalised (NFKC, or Windows' best fit): look-alikes
    /// are refused.
    Normalize,
}

impl PathReading {
    /// All readings.
    pub const ALL: [Self; 4] = [Self::Strict, Self::DecodeOnce, Self::Servlet, Self::Normalize];

    /// True if the server may decode more than once, and cut off parameters.
    pub(super) fn is_unknown(self) -> bool {
        self == Self::Strict
    }

    /// True if the server may take a look-alike for the character of the same look.
    pub(super) fn normalizes(self) -> bool {
        matches!(self, Self::Strict | Self::Normalize)
    }
}

/// An upstream's settings for reading paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSettings {
    /// The meaning of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// The meaning of `%25`, `;` and look-alikes.
    pub reading: PathReading,
}

impl PathSettings {
    /// Settings that take each path that some settings take: for text that is compared and not
    /// sent, or that was accepted before.
    pub const LENIENT: Self =
        Self { encoded_slash: EncodedSlash::Opaque, reading: PathReading::DecodeOnce };
}

impl From<EncodedSlash> for PathSettings {
    fn from(encoded_slash: EncodedSlash) -> Self {
        Self { encoded_slash, reading: PathReading::Strict }
    }
}
