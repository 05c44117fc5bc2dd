//! How the server of an upstream reads paths: `request-target.md` section 4.

/// What an upstream makes of `%2F` inside a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// Such a target is refused.
    #[default]
    Refuse,
    /// The request must be allowed with `%2F` read as an ordinary character and as `/`.
    Both,
    /// An ordinary character.
    Opaque,
}

/// What an upstream makes of `%25`, of `;`, and of characters that normalise to a dot, a slash, a backslash or a `%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathReading {
    /// Unknown: a target with one of these is refused.
    #[default]
    Strict,
    /// A path is percent-decoded once, and every character then stands for itself.
    DecodeOnce,
    /// The same, but for path parameters: what stands behind a `;` in a segment may be cut off, as servlet containers do it. The
    /// request must be allowed with the parameters and without.
    Servlet,
    /// A path is percent-decoded once and then normalised (NFKC, or Windows' best fit): look-alikes are refused.
    Normalize,
}

impl PathReading {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Strict, Self::DecodeOnce, Self::Servlet, Self::Normalize];

    /// May the server decode more than once, and cut off parameters?
    pub(super) fn is_unknown(self) -> bool {
        self == Self::Strict
    }

    /// May it take a look-alike for the character that it looks like?
    pub(super) fn normalizes(self) -> bool {
        matches!(self, Self::Strict | Self::Normalize)
    }
}

/// How an upstream reads paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSettings {
    /// What it makes of `%2F`.
    pub encoded_slash: EncodedSlash,
    /// What it makes of `%25`, `;` and look-alikes.
    pub reading: PathReading,
}

impl PathSettings {
    /// Takes each path that some settings take: for text that is compared and not sent, or that was accepted before.
    pub const LENIENT: Self =
        Self { encoded_slash: EncodedSlash::Opaque, reading: PathReading::DecodeOnce };
}

impl From<EncodedSlash> for PathSettings {
    fn from(encoded_slash: EncodedSlash) -> Self {
        Self { encoded_slash, reading: PathReading::Strict }
    }
}
