//! The specification's section 4 in the slow and obvious way, over a whole body.

/// What becomes of a body, all of whose `rest`s are known: no member depends on what was asked for.
pub(super) fn rewritten(
    links: &[(impl AsRef<str>, impl AsRef<str>)],
    members: &[&str],
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    // An object with the name of its member, or a list.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut name_next = false;
    let mut at = 0;
    while at < body.len() {
        let byte = body[at];
        let length = if byte == b'"' { string_length(&body[at..]) } else { 1 };
        let text = &body[at..at + length];
        at += length;
        match byte {
            b'{' => open.push(Some(String::new())),
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            b'"' if name_next => {
                if let (Some(Some(name)), true) =
                    (open.last_mut(), text.len() > 1 && text.ends_with(b"\""))
                {
                    *name = readable(&text[1..length - 1]);
                }
            }
            b'"' => {
                let path: Vec<String> = open.iter().flatten().cloned().collect();
                let value = value(links, text)
                    .filter(|(_, rest)| open.len() <= 64 && is_followed(members, &path, rest));
                out.extend(value.map_or(text.to_vec(), |(text, _)| text));
            }
            _ => {}
        }
        if byte != b'"' || name_next {
            out.extend(text);
        }
        name_next = match byte {
            b'{' => true,
            b',' => open.len() <= 64 && matches!(open.last(), Some(Some(_))),
            b'"' | b'[' | b'}' | b']' => false,
            _ => name_next,
        };
    }
    out
}

/// From its quotation mark to behind the one that closes it, or to the end of the body.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// A name, or one that no pattern spells.
fn readable(name: &[u8]) -> String {
    let unreadable = name.contains(&b'\\') || name.contains(&0xFF) || name.len() > 64;
    if unreadable {
        "\u{fffd}".to_owned()
    } else {
        name.iter().map(|byte| char::from(*byte)).collect()
    }
}

/// Is a member followed, by patterns without escapes, whose URL goes on so behind the link?
pub(super) fn is_followed(members: &[&str], path: &[String], rest: &[u8]) -> bool {
    let rest = String::from_utf8_lossy(rest).replace("\\/", "/");
    let matching = |pattern: &str| {
        let (names, below) = pattern.split_once(' ').unwrap_or((pattern, ""));
        rest.starts_with(below) && leads_to(&names.split('.').collect::<Vec<_>>(), path)
    };
    let kept = members.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(matching);
    !kept
        && members
            .iter()
            .filter(|pattern| !pattern.starts_with('!'))
            .any(|pattern| matching(pattern))
}

fn leads_to(names: &[&str], path: &[String]) -> bool {
    match names.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|at| leads_to(rest, &path[at..])),
        Some((name, rest)) => path
            .split_first()
            .is_some_and(|(first, path)| is_called(name, first) && leads_to(rest, path)),
    }
}

fn is_called(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| is_called(after, &rest[at..])) || is_called(after, "")
        }),
    }
}

/// The rewritten string that a candidate is, with its quotation marks, and what follows the link in it.
fn value(
    links: &[(impl AsRef<str>, impl AsRef<str>)],
    candidate: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let units = units(&candidate[1..]).filter(|_| candidate.starts_with(b"\"http"))?;
    let end = 2 + units.iter().map(|unit| unit.len()).sum::<usize>();
    if end > 8192 {
        return None;
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (from, to) in links {
        for from in spellings(from.as_ref()) {
            let equal = from
                .bytes()
                .zip(&units)
                .enumerate()
                .take_while(|(at, pair)| same(&from, *at, *pair))
                .count();
            if units.get(equal).is_some_and(|unit| unit.starts_with(b"\\u")) {
                return None;
            }
            let followed = units
                .get(from.len())
                .is_none_or(|unit| matches!(*unit, b"/" | b"\\/" | b"?" | b"#" | b"{"));
            if followed
                && units.len() >= from.len()
                && from.bytes().zip(&units).enumerate().all(|(at, pair)| same(&from, at, pair))
            {
                found.push((from.len(), to.as_ref()));
            }
        }
    }
    let (length, to) = found.into_iter().max_by_key(|(length, _)| *length)?;
    let first_slash = units.iter().find(|unit| unit.ends_with(b"/"))?;
    let to = if first_slash.len() == 2 { to.replace('/', "\\/") } else { to.to_owned() };
    let rest = units[length..].concat();
    Some(([b"\"", to.as_bytes(), &rest, b"\""].concat(), rest))
}

/// The characters up to the closing quotation mark, each as it is written; `None` if one does not belong into a URL, or there is no end.
fn units(mut text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    loop {
        let length = match text {
            [b'"', ..] => return Some(units),
            [b'\\', b'/', ..] => 2,
            [b'\\', b'u', rest @ ..] => {
                let digits = std::str::from_utf8(rest.get(..4)?)
                    .ok()
                    .filter(|digits| digits.chars().all(|d| d.is_ascii_hexdigit()))?;
                u32::from_str_radix(digits, 16)
                    .ok()
                    .filter(|code| *code > 127 || is_plain(*code as u8))?;
                6
            }
            [byte, ..] if is_plain(*byte) => 1,
            _ => return None,
        };
        let (unit, rest) = text.split_at(length);
        units.push(unit);
        text = rest;
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x80 || (byte.is_ascii_graphic() && !b"\"\\<>`".contains(&byte))
}

/// With the default port and without.
fn spellings(from: &str) -> Vec<String> {
    let (scheme, rest) = from.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let default = if scheme == "https" { ":443" } else { ":80" };
    let bare = authority.strip_suffix(default).unwrap_or(authority);
    let has_port = bare.rsplit(']').next().unwrap().contains(':');
    let ports: &[&str] = if has_port { &[""] } else { &["", default] };
    ports.iter().map(|port| format!("{scheme}://{bare}{port}{path}")).collect()
}

fn same(from: &str, at: usize, (expected, given): (u8, &&[u8])) -> bool {
    let (scheme, rest) = from.split_once("://").unwrap();
    let path = scheme.len() + 3 + rest.find('/').unwrap_or(rest.len());
    let given = if **given == *b"\\/" { b"/" } else { *given };
    let [given] = given else { return false };
    if at < path { given.eq_ignore_ascii_case(&expected) } else { *given == expected }
}
