//! The specification's section 4 in the slow and obvious way, over a whole body.

/// What becomes of a body.
pub(super) fn rewritten(links: &[(impl AsRef<str>, impl AsRef<str>)], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let opens = body[at..].starts_with(b"\"http") && (at == 0 || body[at - 1] != b'\\');
        match opens.then(|| value(links, &body[at..])).flatten() {
            Some((text, length)) => {
                out.extend(text);
                at += length;
            }
            None => {
                out.push(body[at]);
                at += 1;
            }
        }
    }
    out
}

/// The rewritten value that a candidate is, and the length of the candidate with the blanks behind it.
fn value(links: &[(impl AsRef<str>, impl AsRef<str>)], candidate: &[u8]) -> Option<(Vec<u8>, usize)> {
    let units = units(&candidate[1..])?;
    let end = 2 + units.iter().map(|unit| unit.len()).sum::<usize>();
    let blanks = candidate[end..].iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    let next = candidate.get(end + blanks);
    if next == Some(&b':') || end + blanks >= 8192 {
        return None;
    }
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (from, to) in links {
        for from in spellings(from.as_ref()) {
            let equal = from.bytes().zip(&units).enumerate().take_while(|(at, pair)| same(&from, *at, *pair)).count();
            if units.get(equal).is_some_and(|unit| unit.starts_with(b"\\u")) {
                return None;
            }
            let followed = units.get(from.len()).is_none_or(|unit| matches!(*unit, b"/" | b"\\/" | b"?" | b"#" | b"{"));
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
    let tail = &candidate[end - 1..end + blanks];
    Some(([b"\"", to.as_bytes(), &rest, tail].concat(), end + blanks))
}

/// The characters up to the closing quotation mark, each as it is written; `None` if one does not belong into a URL, or there is no end.
fn units(mut text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    loop {
        let length = match text {
            [b'"', ..] => return Some(units),
            [b'\\', b'/', ..] => 2,
            [b'\\', b'u', rest @ ..] => {
                let digits =
                    std::str::from_utf8(rest.get(..4)?).ok().filter(|digits| digits.chars().all(|d| d.is_ascii_hexdigit()))?;
                u32::from_str_radix(digits, 16).ok().filter(|code| *code > 127 || is_plain(*code as u8))?;
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
