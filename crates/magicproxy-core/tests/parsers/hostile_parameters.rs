//! Forms and queries near a rule: what the rule allows, with some of the faults that readers differ
//! about.

use serde_json::{Map, Value};

use crate::random::Random;

/// A name and a value as they are spelled; without a value there is no `=`.
type Piece = (Vec<u8>, Option<Vec<u8>>);

const VALUES: &[&str] = &[
    "5",
    "7",
    "1",
    "8",
    "5000",
    "5001",
    "0",
    "-1",
    "+5",
    "%2B5",
    "05",
    "5.0",
    "5e0",
    "0x5",
    " 5",
    "%205",
    "5%20",
    "5+",
    "5%00",
    "5%0A",
    "%35",
    "%2535",
    "5,6",
    "5%266",
    "5;6",
    "5%3B6",
    "9007199254740993",
    "%D9%A5",
    "%EF%BC%95",
    "true",
    "True",
    "1",
    "",
    "pi_1",
    "pi_%00",
    "pi_+x",
    "pi_%C3%A9",
    "repo:acme/site",
    "repo:acme/site+is:open",
    "repo:acme/site%20is:open",
    "repo:acme/site%2Bis:open",
    "a+b",
    "a%20b",
    "evil",
    "x",
    "x=y",
    "x%3Dy",
    "%",
    "%zz",
    "%u0035",
    "%FF",
    "%C0%AE",
    "\u{e9}",
    "git-upload-pack",
    "git-upload-pack%20",
    "GIT-UPLOAD-PACK",
    "[]",
    "null",
];

const NAMES: &[&str] = &[
    "charge",
    "_method",
    "_method[]",
    "%5Fmethod",
    "X-HTTP-Method-Override",
    "__proto__[amount]",
    "constructor[prototype][x]",
    "hasOwnProperty",
    "",
    "+",
    "%00",
    "%FF",
    "[",
    "]",
    "[a]",
    "a[",
    "a]b",
    "a[[b]]",
    "a[b][c]",
    "a[b]c",
    "0",
    "user.id",
    "user%20id",
    "user+id",
    "user%5Bid",
    "user[id]",
    "user%2Eid",
    "user-id",
    "userId",
    "USER_ID",
    "%2575ser_id",
    "m",
    "m[",
    "m[]",
    "m[a][b]",
    "m[a]b",
    "m.order",
    "m[Order]",
    "m[order][]",
    "m[order][a]",
    "m[order.x]",
    "m%5Border%5D",
    "m[+order]",
    "m[order%20]",
    "m[order]x",
    "m+[order]",
    "m_order_",
    "to",
    "to[]",
    "to.a",
    "To",
    "q[]",
    "q[0]",
    "service[]",
    "flag.x",
    "utm_source",
];

pub(crate) fn text(names: &Map<String, Value>, random: &mut Random) -> Vec<u8> {
    let mut pieces = of_names(names, random);
    for _ in 0..random.below(4) {
        fault(&mut pieces, random);
    }
    let mut bytes = Vec::new();
    for (number, (name, value)) in pieces.iter().enumerate() {
        if number > 0 {
            let separator = if random.once_in(40) {
                random.among(&[";", "&&", "&;", "%26", "&amp;", " & "])
            } else {
                "&"
            };
            bytes.extend_from_slice(separator.as_bytes());
        }
        bytes.extend_from_slice(name);
        if let Some(value) = value {
            bytes.push(b'=');
            bytes.extend_from_slice(value);
        }
    }
    if random.once_in(30) { damaged(bytes, random) } else { bytes }
}

fn of_names(names: &Map<String, Value>, random: &mut Random) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (listed, test) in names {
        let optional = listed.ends_with('?') || listed == "*" || listed.ends_with("[*]");
        if test.get("absent").is_some() || (optional && random.once_in(2)) {
            continue;
        }
        let name = match listed.strip_suffix("[*]") {
            _ if listed == "*" => random.among(NAMES).to_owned(),
            Some(root) => format!(
                "{root}[{}]",
                random.among(&["a", "b.c", "order.x", "0", "", "a][b", "d e", "+order"])
            ),
            None => listed.trim_end_matches('?').to_owned(),
        };
        for _ in 0..=test.get("each").map_or(0, |_| random.below(2)) {
            let value = of_value(test, random);
            pieces.push((spelled(&name, random), Some(spelled(&value, random))));
        }
    }
    if random.once_in(3) {
        pieces.reverse();
    }
    pieces
}

fn of_value(test: &Value, random: &mut Random) -> String {
    let text = |scalar: &Value| scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
    match test {
        Value::Array(list) => text(&list[random.below(list.len())]),
        Value::Object(words) => {
            if let Some(each) = words.get("each") {
                return of_value(each, random);
            }
            if let Some(glob) = words.get("glob") {
                return glob
                    .as_str()
                    .unwrap()
                    .replace('*', random.among(&["", "x", "a/b", "a b", "=&"]));
            }
            let end = words.get(random.among(&["min", "max"])).or(words.get("max"));
            end.map_or_else(
                || random.among(&["", "x", "a b", "=&;+%"]).to_owned(),
                Value::to_string,
            )
        }
        scalar => text(scalar),
    }
}

/// The text percent-encoded where it must be, and now and then where it need not be.
fn spelled(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~/:,".contains(&byte);
        match byte {
            b'[' | b']' if !random.once_in(3) => bytes.push(byte),
            b' ' if random.once_in(2) => bytes.push(b'+'),
            _ if plain && !random.once_in(20) => bytes.push(byte),
            _ if random.once_in(2) => bytes.extend(format!("%{byte:02X}").bytes()),
            _ => bytes.extend(format!("%{byte:02x}").bytes()),
        }
    }
    bytes
}

fn fault(pieces: &mut Vec<Piece>, random: &mut Random) {
    let any = |random: &mut Random| Some(random.among(VALUES).as_bytes().to_vec());
    let place = random.below(pieces.len() + 1);
    let elsewhere = random.below(pieces.len() + 1);
    let Some((name, value)) = pieces.get(place).cloned() else {
        pieces.insert(elsewhere, (random.among(NAMES).as_bytes().to_vec(), any(random)));
        return;
    };
    match random.below(11) {
        // A listed name in the value of another, for whoever splits there.
        10 => {
            let splitter = random.among(&[";", "%26", "%3B", "\n", ","]);
            let hidden = [b"1".as_slice(), splitter.as_bytes(), &name, b"=5"].concat();
            pieces.push((random.among(NAMES).as_bytes().to_vec(), Some(hidden)));
        }
        0 => drop(pieces.remove(place)),
        1 => pieces[place].1 = any(random),
        2 => pieces.insert(elsewhere, (name, any(random))),
        3 => pieces.insert(elsewhere, (name, value)),
        4 => pieces[place].1 = None,
        5 => pieces[place].0 = twin(&name, random),
        6 | 7 => pieces.insert(elsewhere, (twin(&name, random), any(random))),
        _ => pieces.insert(elsewhere, (random.among(NAMES).as_bytes().to_vec(), any(random))),
    }
}

/// Another spelling, that some reader takes for this name.
fn twin(name: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(name).into_owned();
    let behind = [
        "[]", "[0]", "[a]", "[a][b]", "[", "]", ".x", "+", "%20", "%00", "%00x", "%0A", "_",
        "%5B%5D", "%2Ex", "=", "%3D",
    ];
    let before = ["+", "%20", "_", "%00", "[", "%EF%BB%BF", "%0A", "?", "."];
    match random.below(8) {
        0..=2 => format!("{text}{}", random.among(&behind)).into_bytes(),
        3 => format!("{}{text}", random.among(&before)).into_bytes(),
        4 => text.to_uppercase().into_bytes(),
        5 => text.replacen('%', "%25", 1).into_bytes(),
        6 => text
            .replacen(['_', '[', ']'], random.among(&["", "-", ".", "+", "%20", "["]), 1)
            .into_bytes(),
        _ => name.first().map_or_else(Vec::new, |first| {
            [format!("%{first:02x}").as_bytes(), &name[1..]].concat()
        }),
    }
}

fn damaged(bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let many = |times: usize| [bytes.clone(), b"&z=1".repeat(times)].concat();
    match random.below(7) {
        0 => [b"&".as_slice(), &bytes].concat(),
        1 => [&bytes, b"&".as_slice()].concat(),
        2 => many(250),
        3 => many(1100),
        4 => [&b"z=1&".repeat(1000), bytes.as_slice()].concat(),
        5 => [b"?".as_slice(), &bytes].concat(),
        _ => [&bytes, b"\r\n".as_slice()].concat(),
    }
}
