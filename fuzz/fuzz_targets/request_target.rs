//! Whatever is accepted as a request target has one meaning, and is sent as it was decided on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magicproxy_core::{EncodedSlash, RequestTarget};

fuzz_target!(|data: &[u8]| {
    for slash in [EncodedSlash::Refuse, EncodedSlash::Both, EncodedSlash::Opaque] {
        if let Ok(target) = RequestTarget::parse(data, slash) {
            is_canonical(&target, slash);
            says_what_was_asked(&target, data);
            every_reading_is_clean(&target, slash);
            survives_dropping(&target, slash);
        }
    }
    stricter_settings_accept_less(data);
});

fn is_canonical(target: &RequestTarget, slash: EncodedSlash) {
    let sent = target.to_string();
    let again = RequestTarget::parse(sent.as_bytes(), slash).expect("what is sent is accepted");
    assert_eq!(*target, again, "what is sent means the same");
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "what is sent needs no escaping in a request line");
}

/// Canonicalising changes spellings of unreserved characters and nothing else.
fn says_what_was_asked(target: &RequestTarget, data: &[u8]) {
    let (path, query) = match data.iter().position(|byte| *byte == b'?') {
        Some(at) => (&data[..at], Some(&data[at + 1..])),
        None => (data, None),
    };
    assert_eq!(decoded(target.path().as_bytes()), decoded(path), "the path is another one");
    assert_eq!(target.query().map(str::as_bytes), query, "the query was changed");
}

/// No reading may hold what two servers understand differently, decoded or not.
fn every_reading_is_clean(target: &RequestTarget, slash: EncodedSlash) {
    assert_eq!(target.readings().next(), Some(target.path()));
    for reading in target.readings() {
        let text = decoded(reading.as_bytes());
        assert!(reading.starts_with('/'));
        assert!(!text.iter().any(|byte| *byte < b' ' || *byte == 0x7f || b"\\;%".contains(byte)), "{reading}");
        assert!(std::str::from_utf8(&text).is_ok() || reading != target.path(), "{reading}");
        segments_are_plain(reading.as_bytes());
        if slash != EncodedSlash::Opaque {
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

fn survives_dropping(target: &RequestTarget, slash: EncodedSlash) {
    let mut fewer = target.clone();
    fewer.drop_query_parameters(&["access_token".to_owned(), "key".to_owned()]);
    assert_eq!(fewer.path(), target.path());
    is_canonical(&fewer, slash);
    let named = |query: &str| query.split(['&', ';']).any(|part| part.split('=').next() == Some("access_token"));
    assert!(!fewer.query().is_some_and(named), "the parameter is still there");
}

/// Both settings that take an encoded slash accept all that the default accepts, with the same meaning.
fn stricter_settings_accept_less(data: &[u8]) {
    let read = |slash| RequestTarget::parse(data, slash).ok();
    if let Some(strict) = read(EncodedSlash::Refuse) {
        for slash in [EncodedSlash::Both, EncodedSlash::Opaque] {
            assert_eq!(read(slash).as_ref(), Some(&strict), "{slash:?} reads it differently");
        }
    }
    if let Some(both) = read(EncodedSlash::Both) {
        assert_eq!(read(EncodedSlash::Opaque).map(|target| target.path().to_owned()).as_deref(), Some(both.path()));
    }
}

/// Percent-decoding, written a second time. An encoded `%` is refused, so once is as good as often.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => (out.push(decoded), at += 3),
            None => (out.push(*byte), at += 1),
        };
    }
    out
}
