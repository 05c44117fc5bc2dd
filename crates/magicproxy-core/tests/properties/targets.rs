//! No target that is accepted escapes, however often an upstream decodes it.

use magicproxy_core::{EncodedSlash, PathReading, PathSettings, RequestTarget};
use proptest::prelude::*;

/// One percent-decoding that leaves broken triplets alone.
fn decode(text: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let triplet = (text[at] == b'%' && at + 2 < text.len())
            .then(|| Some(hex(text[at + 1])? * 16 + hex(text[at + 2])?))
            .flatten();
        out.push(triplet.unwrap_or(text[at]));
        at += if triplet.is_some() { 3 } else { 1 };
    }
    out
}

/// Dot segments removed and slashes merged, as servers do it.
fn normalise(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    for segment in &segments {
        match *segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let ends_with_slash = matches!(segments.last(), Some(&b"" | &b"." | &b".."));
    let mut out = b"/".to_vec();
    out.extend(kept.join(&b'/'));
    if ends_with_slash && out.len() > 1 {
        out.push(b'/');
    }
    out
}

/// As HFS+ reads names.
fn without_ignorables(text: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(text) else { return text.to_vec() };
    text.replace(['\u{200c}', '\u{fe0f}', '\u{feff}', '\u{e0001}'], "").into_bytes()
}

/// What the upstreams of this world may make of a path: (what was done, the result).
fn views(path: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut views = Vec::new();
    let mut text = path.to_vec();
    for round in 0..=4 {
        let cut_at = |set: &[u8]| text.split(|byte| set.contains(byte)).next().unwrap().to_vec();
        let backslashes: Vec<u8> =
            text.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
        let parameters = |text: &[u8]| {
            let segments: Vec<&[u8]> = text
                .split(|byte| *byte == b'/')
                .map(|part| part.split(|byte| *byte == b';').next().unwrap())
                .collect();
            segments.join(&b'/')
        };
        let trimmed = |text: &[u8]| {
            let segments: Vec<&[u8]> =
                text.split(|byte| *byte == b'/').map(<[u8]>::trim_ascii).collect();
            segments.join(&b'/')
        };
        let without_controls: Vec<u8> =
            text.iter().copied().filter(|byte| !byte.is_ascii_control()).collect();
        let mut add = |what: &str, view: Vec<u8>| {
            views.push((format!("decoded {round} times, {what}"), view))
        };
        add("as it is", text.clone());
        add("backslashes", backslashes.clone());
        add("parameters", parameters(&text));
        add("parameters and backslashes", parameters(&backslashes));
        add("cut at NUL", cut_at(b"\0"));
        add("cut at ? and #", cut_at(b"?#"));
        add("cut at ?", cut_at(b"?"));
        add("cut at #", cut_at(b"#"));
        add("controls dropped", without_controls);
        add("trimmed", trimmed(&text));
        add("without what cannot be seen", without_ignorables(&text));
        add("without what cannot be seen, cut at ?", without_ignorables(&cut_at(b"?")));
        text = decode(&text);
    }
    views
}

const KNOWN: [PathReading; 3] =
    [PathReading::DecodeOnce, PathReading::Servlet, PathReading::Normalize];

#[track_caller]
fn check(raw: &[u8]) {
    check_strict(raw);
    KNOWN.into_iter().for_each(|reading| check_reading(raw, reading));
}

/// With one setting or another: of many random targets, each need not be tried with all.
#[track_caller]
fn check_sample(raw: &[u8]) {
    check_strict(raw);
    check_reading(raw, KNOWN[raw.len() % KNOWN.len()]);
}

#[track_caller]
fn check_reading(raw: &[u8], reading: PathReading) {
    // A path without `%2F` is the same to all.
    for encoded_slash in [EncodedSlash::Both, EncodedSlash::Opaque] {
        check_known(raw, PathSettings { encoded_slash, reading });
    }
}

/// Where it is known how the server reads paths: what is sent has the readings of that kind of server and no other, and no dot
/// segment is there for any server.
#[track_caller]
fn check_known(raw: &[u8], settings: PathSettings) {
    let Ok(target) = RequestTarget::parse(raw, settings) else { return };
    let shown = String::from_utf8_lossy(raw);
    assert_eq!(
        RequestTarget::parse(target.to_string().as_bytes(), settings).as_ref(),
        Ok(&target),
        "{shown}"
    );
    let readings: Vec<Vec<u8>> =
        target.readings().map(|reading| decode(reading.as_bytes())).collect();
    for (what, view) in known_views(target.path(), settings) {
        assert_eq!(normalise(&view), view, "{shown} escapes under {settings:?}: {what}");
        assert!(
            readings.contains(&decode(&view)),
            "{shown} under {settings:?}: no rule saw {what}"
        );
    }
    // Every path that `both` takes is taken by `opaque`, too.
    if settings.encoded_slash == EncodedSlash::Opaque {
        for (what, view) in normalising_views(target.path()) {
            assert!(!climbs(&view), "{shown} climbs under {settings:?}: {what}");
        }
    }
    // What is known can only make more paths acceptable, and with fewer readings for each.
    if let Ok(strict) = RequestTarget::parse(raw, settings.encoded_slash) {
        assert_eq!(strict.path(), target.path(), "{shown}");
        let seen: Vec<&str> = strict.readings().collect();
        assert!(
            target.readings().all(|reading| seen.contains(&reading)),
            "{shown} under {settings:?}"
        );
    }
}

/// What a server makes of a path that reads it as the setting says. The views are percent-encoded as the path was.
fn known_views(path: &str, settings: PathSettings) -> Vec<(&'static str, Vec<u8>)> {
    let mut views = vec![("as it is", path.to_owned())];
    if settings.encoded_slash == EncodedSlash::Both {
        views.push(("decoded before it is split", path.replace("%2F", "/")));
    }
    let cut = |text: &str, at: &[&str]| {
        let end = at.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
        text[..end].to_owned()
    };
    for (_, text) in views.clone() {
        views.push(("ended at ?", cut(&text, &["%3F"])));
        views.push(("ended at #", cut(&text, &["%23"])));
        if settings.reading == PathReading::Normalize {
            views.push(("ended at a full-width ?", cut(&text, &["%3F", "%EF%BC%9F"])));
            views.push(("ended at a full-width ;", cut(&text, &["%EF%BC%9B", "%CD%BE"])));
        }
    }
    if settings.reading == PathReading::Servlet {
        for (_, text) in views.clone() {
            let without = |marks: &[&str]| {
                text.split('/').map(|segment| cut(segment, marks)).collect::<Vec<_>>().join("/")
            };
            views.push(("without parameters", without(&[";"])));
            views.push(("without parameters, encoded ones too", without(&[";", "%3B"])));
            for (what, text) in [
                ("cut, then ended", without(&[";"])),
                ("cut more, then ended", without(&[";", "%3B"])),
            ] {
                views.extend([(what, cut(&text, &["%3F"])), (what, cut(&text, &["%23"]))]);
            }
        }
    }
    views.into_iter().map(|(what, text)| (what, text.into_bytes())).collect()
}

/// The path as a server decodes it, again and again, that takes full-width forms and the like for ASCII.
fn normalising_views(path: &str) -> Vec<(String, Vec<u8>)> {
    let mut views = Vec::new();
    let mut text = path.as_bytes().to_vec();
    for round in 0..=4 {
        let narrow = |character: char| match character {
            '\u{ff01}'..='\u{ff5e}' => {
                char::from_u32(u32::from(character) - 0xfee0).unwrap().to_string()
            }
            '\u{2025}' | '\u{fe30}' => "..".to_owned(),
            '\u{2024}' | '\u{fe52}' => ".".to_owned(),
            '\u{2215}' | '\u{2044}' => "/".to_owned(),
            '\u{2216}' | '\u{fe68}' => "\\".to_owned(),
            '\u{fe6a}' => "%".to_owned(),
            '\u{37e}' => ";".to_owned(),
            other => other.to_string(),
        };
        text = String::from_utf8_lossy(&text).chars().map(narrow).collect::<String>().into_bytes();
        views.push((format!("normalised, decoded {round} times"), text.clone()));
        text = decode(&text);
    }
    views
}

/// Is there a `.` or `..` between slashes or backslashes, up to a parameter, a query, or what ends a text?
fn climbs(path: &[u8]) -> bool {
    path.split(|byte| b"/\\".contains(byte)).any(|part| {
        let until_end = part.split(|byte| b";?#\0\r\n".contains(byte)).next().unwrap();
        let seen: Vec<u8> =
            until_end.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        seen == b"." || seen == b".."
    })
}

#[track_caller]
fn check_strict(raw: &[u8]) {
    for mode in [EncodedSlash::Refuse, EncodedSlash::Both, EncodedSlash::Opaque] {
        let Ok(target) = RequestTarget::parse(raw, mode) else { continue };
        let shown = String::from_utf8_lossy(raw);
        assert_eq!(
            RequestTarget::parse(target.to_string().as_bytes(), mode).as_ref(),
            Ok(&target),
            "{shown}"
        );
        let fully: Vec<Vec<u8>> =
            target.readings().map(|reading| decode(reading.as_bytes())).collect();
        for (what, view) in views(target.path().as_bytes()) {
            // The operator has said that this upstream never decodes `%2F`.
            if mode == EncodedSlash::Opaque && target.path().contains("%2F") {
                break;
            }
            assert_eq!(normalise(&view), view, "{shown} escapes: {what}");
            // What the upstream sees is what the rules saw, but for the encoding.
            assert!(
                fully.contains(&decode(&view)),
                "{shown}: no rule saw {:?}: {what}",
                String::from_utf8_lossy(&view)
            );
        }
        for reading in target.readings() {
            assert!(
                reading.starts_with('/') && reading.bytes().all(|byte| byte.is_ascii_graphic()),
                "{shown}: {reading}"
            );
        }
    }
}

const PIECES: [&str; 90] = [
    "[",
    "]",
    "[id]",
    "{",
    "|",
    "^",
    "\"",
    "%25",
    "%2525",
    "%E2%80%A6",
    "%EF%BC%85",
    "．",
    "／",
    "%253b",
    "%E2%80%8C",
    "%EF%B8%8F",
    "%ef%bb%bf",
    "%F3%A0%80%81",
    "/",
    "/",
    "/",
    "/",
    "a",
    "b",
    "Z",
    "0",
    "-",
    "~",
    ".",
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    "%2e%2e",
    "%2f",
    "%2F",
    "%2F",
    "%5c",
    "\\",
    ";",
    "%3b",
    "x=y",
    "%25",
    "%252e",
    "%252f",
    "%00",
    "%0a",
    "%0d",
    "%09",
    "%7f",
    "%20",
    "%20",
    " ",
    "\t",
    "\0",
    "?",
    "%3f",
    "%3F",
    "#",
    "%23",
    "%EF%BC%8E",
    "%ef%bc%8f",
    "%C2%A0",
    "%c0%ae",
    "%c0%af",
    "%E2%80%A5",
    "%E2%80%A8",
    "%C3%A9",
    "é",
    "%zz",
    "%",
    "%2",
    "%u002e",
    "%uff0e",
    "%41",
    "%61",
    "+",
    "*",
    "@",
    ":",
    "!",
    "&",
    "_method=x",
    "%5fmethod",
    "=",
    "%CD%BE",
    "%EF%BC%9B",
    "%EF%BC%9F",
    "%E3%80%80",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 15_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        check_sample(&raw);
        check_sample(&[b"/".as_slice(), &raw].concat());
    }

    #[test]
    fn hostile_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12)) {
        check_sample(format!("/{}", pieces.concat()).as_bytes());
    }

    #[test]
    fn printable(text in "/[!-~]{0,40}") {
        check_sample(text.as_bytes());
    }

    #[test]
    fn encoded_text(text in any::<String>()) {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        check_sample(format!("/a/{encoded}/b").as_bytes());
    }

    /// Dropping parameters leaves the others as they were.
    #[test]
    fn dropped_parameters(parts in prop::collection::vec("[ab_-]{1,3}(=[a-z%]{0,0}[0-9]{0,2})?", 1..6)) {
        let query = parts.join("&");
        let Ok(mut target) = RequestTarget::parse(format!("/?{query}").as_bytes(), EncodedSlash::Refuse) else { return Ok(()) };
        target.drop_query_parameters(&["a-b".to_owned()]);
        let name = |part: &&String| part.split('=').next().unwrap().replace('-', "_") != "a_b";
        let kept: Vec<&str> = parts.iter().filter(name).map(String::as_str).collect();
        let expected = (!kept.is_empty()).then(|| kept.join("&"));
        prop_assert_eq!(target.query(), expected.as_deref());
    }
}

/// Every separator with every spelling of the dot segment, on both sides.
#[test]
fn traversal() {
    let dots = [
        "..",
        "%2e%2e",
        "%2E%2e",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "%25252e%25252e",
        "%25%32%65%25%32%65",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%c0%2e%c0%2e",
        "%f0%80%80%ae%f0%80%80%ae",
        "%u002e%u002e",
        "%uff0e%uff0e",
        "%ef%bc%8e%ef%bc%8e",
        "．．",
        "‥",
        "..;",
        "..;x=y",
        "..%3b",
        "..%3Bx=y",
        "%2e%2e;",
        "%2e%2e%3b",
        "..%253b",
        "..%00",
        "%00..",
        ".%00.",
        "..%20",
        "..%09",
        "..%0d",
        "..%0a",
        "..%0d%0a",
        "..%ff",
        ".\\.",
        "...",
        "....",
        ".%0d.",
        "..\t",
        "..?",
        "..#",
        "..%23",
        "..%3f",
        ".;/..",
        "..;;",
        "..%c0%80",
        "..\u{a0}",
        "..%c2%a0",
        "..%ad",
        "%ff%2e%2e",
        "%20..",
        ".%20.",
        "..%EF%BC%9B",
        "%EF%B8%B0",
        "..%CD%BE",
        ".",
        "%2e",
        ".%3F",
        "..%C2%85",
    ];
    let separators = [
        "/",
        "%2f",
        "%2F",
        "%252f",
        "%25252f",
        "%25%32%66",
        "\\",
        "%5c",
        "%5C",
        "%255c",
        "%c0%af",
        "%c1%9c",
        "%e0%80%af",
        "%ef%bc%8f",
        "／",
        "∕",
        "//",
        "/./",
        "/%2e/",
        "/;/",
        "/;a=b/",
        "%2f%2f",
        "/%2f",
        "\\/",
        "/\\",
        "%5c%2f",
        "/%20/",
        "/%09/",
        "%u2215",
        "%u002f",
        ";/",
        "%3b/",
        "/\t",
        "%0d%0a/",
        "%00/",
    ];
    for dots in dots {
        for before in separators {
            for after in separators.iter().chain(&[""]) {
                let text = format!("/a{before}{dots}{after}b");
                check(text.as_bytes());
                for mode in [EncodedSlash::Refuse, EncodedSlash::Both] {
                    let accepted = RequestTarget::parse(text.as_bytes(), mode).is_ok();
                    // Only `..b` behind a real slash is a name: nothing else of this may pass, but for what the `?` cuts off.
                    let is_name = after.is_empty()
                        && (before == "/" || before.eq_ignore_ascii_case("%2f"))
                        || text.contains('?');
                    assert!(!accepted || is_name, "{text}");
                }
            }
        }
    }
}

#[test]
fn hostile_forms_around_a_path() {
    let forms = [
        "{L}/",
        "{L}//",
        "{L}/.",
        "{L}/..",
        "{L}x",
        "{L};x=y",
        "{L}%20",
        "{L}%00.json",
        "{L}%0d%0a",
        "{L}%3fx=1",
        "{L}%23x",
        "{L}#/x",
        "{L}\\",
        "{L}%2F..%2Fx",
        "/{L}",
        "//{L}",
        "/.{L}",
        "/x/..{L}",
        "/%2e{L}",
        "\\{L}",
        "/;/{L}",
        "/%20{L}",
        "{S}?{L}",
        "{S}?/..{L}",
        "{S}%3f{L}",
        "{S}%0d%0a{L}",
        "{S}/..{L}/..{S}",
        "{S}\\..{L}",
        "{S}/..;{L}",
        "{S};/..{L}",
        "{L}/%2e%2e/%2e%2e/%2e%2e{S}",
        "{L}%2f..%2f..%2f..{S}",
        "{L}/.%00./../../..{S}",
        "http://h{L}",
        "//h{L}",
        "/\\h{L}",
        "{L}%u0041",
        "{L}%%32%65",
        "/__magictoken/..{L}",
        "/%5f%5fmagictoken",
        "{L}[0]",
        "{L}{{",
        "*{L}",
        "{L}%",
        "{L}%2",
        "{L}%zz",
    ];
    for form in forms {
        check(form.replace("{L}", "/a/b").replace("{S}", "/secret/c").as_bytes());
    }
}

/// The strings of the WHATWG URL tests: never a panic, and a WHATWG parser finds nothing to normalise in what is accepted.
#[test]
fn whatwg_urls() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/whatwg/urls.json");
    let texts: Vec<String> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut accepted = 0;
    for text in &texts {
        for text in [text.clone(), format!("/{text}"), format!("/a/{text}")] {
            check(text.as_bytes());
            for mode in [EncodedSlash::Refuse, EncodedSlash::Both, EncodedSlash::Opaque] {
                let Ok(target) = RequestTarget::parse(text.as_bytes(), mode) else { continue };
                let url = url::Url::parse(&format!("http://h{target}")).unwrap();
                assert_eq!(url.path(), target.path(), "{text}");
                accepted += 1;
            }
        }
    }
    assert!(texts.len() > 1000 && accepted > 300, "{accepted}");
}
