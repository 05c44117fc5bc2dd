//! The media type of a body, and what kind of body it says. `conditions.md` sections 1 and 4.5.

use super::view::FieldValue;

/// A field `Content-Type` as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType<'h> {
    Absent,
    /// A media type, and whether only `charset=utf-8` or nothing stands behind it.
    One {
        essence: &'h str,
        is_bare: bool,
    },
    /// Two fields, or one that cannot be read.
    Unreadable,
}

impl<'h> ContentType<'h> {
    pub(super) fn of(field: FieldValue<'h>) -> Self {
        match field {
            FieldValue::Absent => Self::Absent,
            FieldValue::Several => Self::Unreadable,
            FieldValue::One(value) => Self::read(value).unwrap_or(Self::Unreadable),
        }
    }

    fn read(value: &'h [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii())?;
        let (essence, parameters) = match text.split_once(';') {
            Some((essence, parameters)) => (essence, Some(parameters)),
            None => (text, None),
        };
        let essence = essence.trim_matches([' ', '\t']);
        if !is_media_type(essence) || text.contains(',') {
            return None;
        }
        let is_bare = parameters.is_none_or(is_utf8_alone);
        Some(Self::One { essence, is_bare })
    }
}

/// True if the parameters of a media type are one `charset=utf-8`.
fn is_utf8_alone(parameters: &str) -> bool {
    let parameter = parameters.trim_matches([' ', '\t']);
    let Some((name, value)) = parameter.split_once('=') else { return parameter.is_empty() };
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
}

/// True for `type/subtype`, both tokens.
pub(super) fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// True for the media types of JSON whose documents are what they say: no patch, and no type that a
/// reader of prefixes takes for a form.
pub(super) fn is_json(essence: &str) -> bool {
    let lower = essence.to_ascii_lowercase();
    let Some(subtype) = lower.strip_prefix("application/") else { return false };
    let Some(kind) = subtype.strip_suffix("+json") else { return subtype == "json" };
    !kind.starts_with("x-www-form") && !kind.ends_with("patch")
}

pub(super) fn is_form(essence: &str) -> bool {
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_no_reader_takes_for_a_form_or_a_patch() {
        for text in ["application/json", "Application/JSON", "application/vnd.github+json"] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "application/x-www-form-urlencoded+json",
            "multipart/form-data+json",
            "text/html+json",
            "*/x+json",
            "application/merge-patch+json",
            "application/json-patch+json",
            "application/strategic-merge-patch+json",
            "application/jsonp",
            "text/json",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn a_content_type_has_one_reading() {
        let read = |text: &'static str| ContentType::of(FieldValue::One(text.as_bytes()));
        for (text, bare) in [
            ("application/json", true),
            ("application/json;charset=utf-8", true),
            ("application/json; charset=UTF-8", true),
            ("application/json; charset=\"utf-8\"", true),
            ("application/json;", true),
            ("application/json; charset=utf-16", false),
            ("application/json; charset=utf-8; x=y", false),
            ("application/json; boundary=x", false),
            ("multipart/form-data; boundary=x", false),
        ] {
            let ContentType::One { is_bare, .. } = read(text) else { panic!("{text}") };
            assert_eq!(is_bare, bare, "{text}");
        }
        for text in ["", "json", "a/b, c/d", "a/b c", "a/", "/b", "\u{e9}/b"] {
            assert_eq!(read(text), ContentType::Unreadable, "{text}");
        }
        assert_eq!(ContentType::of(FieldValue::Several), ContentType::Unreadable);
    }
}
