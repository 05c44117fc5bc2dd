//! The places of captures in a path. `rules.md` section 3.

/// The place of a template's capture in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CapturePlace {
    /// One segment: the number of segments before, from the start.
    FromStart(usize),
    /// One segment: the number of segments behind, up to the end. The path before is of unknown
    /// length.
    FromEnd(usize),
    /// All segments between the first `before` and the last `behind`.
    Between { before: usize, behind: usize },
}

impl CapturePlace {
    /// Returns the part of a path at this place.
    pub(crate) fn of(self, path: &str) -> Option<&str> {
        let inner = path.strip_prefix('/')?;
        let mut segments = inner.split('/');
        match self {
            Self::FromStart(number) => segments.nth(number),
            Self::FromEnd(number) => segments.nth_back(number),
            Self::Between { before, behind } => {
                let begin = inner.match_indices('/').map(|(at, _)| at + 1);
                let begin = std::iter::once(0).chain(begin).nth(before)?;
                let ends = inner.rmatch_indices('/').map(|(at, _)| at);
                let end = std::iter::once(inner.len()).chain(ends).nth(behind)?;
                inner.get(begin..end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_a_part_of_the_path() {
        let between = |before, behind| CapturePlace::Between { before, behind };
        for (place, path, part) in [
            (CapturePlace::FromStart(1), "/a/b/c", Some("b")),
            (CapturePlace::FromStart(3), "/a/b/c", None),
            (CapturePlace::FromEnd(0), "/a/b/c", Some("c")),
            (CapturePlace::FromEnd(0), "/a/b/", Some("")),
            (between(0, 0), "/a/b/c", Some("a/b/c")),
            (between(1, 0), "/a/b/c", Some("b/c")),
            (between(1, 1), "/a/b/c", Some("b")),
            (between(1, 1), "/a/b/", Some("b")),
            (between(2, 2), "/a/b/c", None),
            (between(3, 0), "/a/b/c", None),
        ] {
            assert_eq!(place.of(path), part, "{place:?} {path}");
        }
    }
}
