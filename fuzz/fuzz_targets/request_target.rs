//! Fuzzes request targets: an accepted target has one meaning, and is sent in the form of the
//! decision.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{EncodedSlash, PathReading, PathSettings, RequestTarget};

fuzz_target!(|data: &[u8]| {
    for encoded_slash in [EncodedSlash::Refuse, EncodedSlash::Both, EncodedSlash::Opaque] {
        for reading in PathReading::ALL {
            let settings = PathSettings { encoded_slash, reading };
            if let Ok(target) = RequestTarget::parse(data, settings) {
                is_canonical(&target, settings);
                says_what_was_asked(&target, data);
                every_reading_is_clean(&target, settings);
                survives_dropping(&target, settings);
            }
        }
    }
    stricter_settings_accept_less(data);
});

fn is_canonical(target: &RequestTarget, settings: PathSettings) {
    let sent = target.to_string();
    let again = RequestTarget::parse(sent.as_bytes(), settings).expect("what is sent is accepted");
    assert_eq!(*target, again, "what is sent means the same");
    assert!(
        sent.bytes().all(|byte| byte.is_ascii_graphic()),
        "what is sent needs no escaping in a request line"
    );
}

/// Checks that canonicalising changes spellings and nothing else.
fn says_what_was_asked(target: &RequestTarget, data: &[u8]) {
    let (path, query) = match data.iter().position(|byte| *byte == b'?') {
        Some(at) => (&data[..at], Some(&data[at + 1..])),
        None => (data, None),
    };
    assert_eq!(decoded(target.path().as_bytes()), decoded(path), "the path is another one");
    assert_eq!(target.query().map(str::as_bytes), query, "the query was changed");
}

/// Checks that no reading, decoded or not, holds characters that two servers understand
/// differently.
fn every_reading_is_clean(target: &RequestTarget, settings: PathSettings) {
    assert_eq!(target.readings().next(), Some(target.path()));
    for reading in target.readings() {
        let text = decoded(reading.as_bytes());
        assert!(reading.starts_with('/'));
        assert!(
            !text.iter().any(|byte| *byte < b' ' || *byte == 0x7f || *byte == b'\\'),
            "{reading}"
        );
        assert!(
            settings.reading != PathReading::Strict
                || !text.iter().any(|byte| b";%".contains(byte)),
            "{reading}"
        );
        assert!(std::str::from_utf8(&text).is_ok() || reading != target.path(), "{reading}");
        segments_are_plain(reading.as_bytes());
        if settings.encoded_slash != EncodedSlash::Opaque {
            segments_are_plain(&text);
        }
    }
}

fn segments_are_plain(path: &[u8]) {
    let inner = path.strip_prefix(b"/").expect("a path begins with a slash");
    let mut segments: Vec<&[u8]> = inner.split(|byte| *byte == b'/').collect();
    if segments.last().is_some_and(|last| last.is_empty()) {
        segments.pop();
    }
    for segment in segments {
        let plain = !segment.is_empty() && segment != b"." && segment != b"..";
        assert!(plain, "{:?}", String::from_utf8_lossy(path));
    }
}

fn survives_dropping(target: &RequestTarget, settings: PathSettings) {
    let mut fewer = target.clone();
    fewer.drop_query_parameters(&["access_token".to_owned(), "key".to_owned()]);
    assert_eq!(fewer.path(), target.path());
    is_canonical(&fewer, settings);
    let named = |query: &str| {
        query.split(['&', ';']).any(|part| part.split('=').next() == Some("access_token"))
    };
    assert!(!fewer.query().is_some_and(named), "the parameter is still there");
}

/// Checks that both settings that accept an encoded slash accept every target of the default, with
/// the same meaning. An upstream known to decode once receives the same path as any other upstream,
/// if the target is accepted (section 2.7 refuses hidden dot segments for such an upstream).
fn stricter_settings_accept_less(data: &[u8]) {
    let read = |slash| RequestTarget::parse(data, slash).ok();
    if let Some(strict) = read(EncodedSlash::Refuse) {
        for slash in [EncodedSlash::Both, EncodedSlash::Opaque] {
            assert_eq!(read(slash).as_ref(), Some(&strict), "{slash:?} reads it differently");
        }
    }
    for encoded_slash in [EncodedSlash::Both, EncodedSlash::Opaque] {
        let known = RequestTarget::parse(
            data,
            PathSettings { encoded_slash, reading: PathReading::DecodeOnce },
        );
        if let (Some(strict), Ok(known)) = (read(encoded_slash), known) {
            assert_eq!(known.path(), strict.path());
        }
    }
    if let Some(both) = read(EncodedSlash::Both) {
        assert_eq!(
            read(EncodedSlash::Opaque).map(|target| target.path().to_owned()).as_deref(),
            Some(both.path())
        );
    }
}

/// Percent-decodes the text, independently of the code under test.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits
            .filter(|_| *byte == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(decoded) => (out.push(decoded), at += 3),
            None => (out.push(*byte), at += 1),
        };
    }
    out
}
