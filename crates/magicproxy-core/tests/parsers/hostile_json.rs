//! JSON bodies near a rule: what the rule allows, with some of the faults that readers differ about.

use serde_json::{Map, Value};

use crate::random::Random;

/// A value as it is spelled.
#[derive(Debug, Clone)]
enum Spelled {
    Raw(Vec<u8>),
    List(Vec<Spelled>),
    /// Names with their quotes.
    Object(Vec<(Vec<u8>, Spelled)>),
}

/// Scalars, and what readers may take for scalars, or refuse.
const VALUES: &[&str] = &[
    "1",
    "5",
    "7",
    "16",
    "2000",
    "2001",
    "5001",
    "0",
    "-1",
    "1.0",
    "7.0",
    "1e0",
    "7e0",
    "0.7e1",
    "-0",
    "01",
    "+1",
    "0x1",
    ".5",
    "5.",
    "1E400",
    "-1E400",
    "NaN",
    "Infinity",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551623",
    "1000000000000000000000000000007",
    "\"5\"",
    "\"7\"",
    "\"1\"",
    "true",
    "false",
    "null",
    "\"true\"",
    "True",
    "{}",
    "[]",
    "[\"main\"]",
    "[7]",
    "{\"$ne\":\"\"}",
    "{\"0\":\"main\"}",
    "\"\"",
    "\" \"",
    "\"main\\u0000\"",
    "\"main\\n\"",
    "\"main \"",
    "\"Main\"",
    "\"\\u006dain\"",
    "\"m\\u0061in\"",
    "\"\\ud800\"",
    "\"agent/\\udc00\"",
    "\"agent/x\"",
    "\"agent/\\u0000\"",
    "\"agent/é\"",
    "\"agent/\\u00e9\"",
    "\"agent/\\/\"",
    "\"agent/\\\"x\"",
    "\"evil\"",
    "\"EVIL\"",
    "'main'",
    "\"\\x6dain\"",
    "\"\\u{6d}ain\"",
    "\"ma\tin\"",
    "\"\\ud83d\\ude00\"",
    "\"\\uff4d\\uff41\\uff49\\uff4e\"",
    "undefined",
    "/* */ \"main\"",
    "\"a\" // b",
    "{\"a\":1,\"a\":2}",
    "{\"A\":1,\"a\":[1e999,-0,{\"b\":\"\\ud800\"}]}",
    "{\"\":{\"\":[]}}",
    "[[[[[[]]]]]]",
    "{\"__proto__\":{\"base\":\"evil\"}}",
];

/// Names that no rule lists, some of which mean something to somebody.
const NAMES: &[&str] = &[
    "labels",
    "functions",
    "_method",
    "X-HTTP-Method-Override",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    " ",
    "0",
    "a b",
    "\\u0000",
    "\\ud800",
    "id",
    "*",
    "user.id",
    "user[id]",
    "name?",
    "Type",
    "type",
    "force",
    "Force",
];

pub(crate) fn body(rule: &Value, random: &mut Random) -> Vec<u8> {
    let mut tree = match (rule.get("json"), rule.get("json_each")) {
        (Some(names), _) => of_names(names.as_object().unwrap(), random),
        (None, each) => {
            let each = each.unwrap();
            Spelled::List((0..random.below(4)).map(|_| of_value(each, random)).collect())
        }
    };
    for _ in 0..random.below(4) {
        let place = random.below(count(&tree));
        fault(at(&mut tree, &mut { place }).unwrap_or(&mut Spelled::Raw(vec![])), random);
    }
    let mut bytes = Vec::new();
    write(&tree, &mut bytes, random);
    if random.once_in(6) { damaged(bytes, random) } else { bytes }
}

/// A value that the test is true of.
fn of_value(test: &Value, random: &mut Random) -> Spelled {
    let raw = |value: String| Spelled::Raw(value.into_bytes());
    let Some(words) = test.as_object() else {
        let list = test.as_array().map_or(std::slice::from_ref(test), Vec::as_slice);
        return raw(list[random.below(list.len())].to_string());
    };
    let end = |name: &str| words.get(name).and_then(Value::as_i64);
    if let Some(glob) = words.get("glob").and_then(Value::as_str) {
        let run = random.among(&["", "x", "a/b", "agent/*", "..", "a b"]);
        return raw(Value::from(glob.replace('*', run)).to_string());
    }
    if let Some(names) = words.get("object") {
        return of_names(names.as_object().unwrap(), random);
    }
    if let Some(each) = words.get("each") {
        let elements = 1 + random.below(3);
        return Spelled::List((0..elements).map(|_| of_value(each, random)).collect());
    }
    if end("min").is_some() || end("max").is_some() {
        let (least, most) = (end("min").unwrap_or(-3), end("max").unwrap_or(100));
        return raw(if random.once_in(2) { least } else { most }.to_string());
    }
    match words.get("type") {
        Some(Value::String(one)) if one == "boolean" => {
            raw(random.among(&["true", "false"]).to_owned())
        }
        Some(_) => raw(random.among(&["\"x\"", "17", "\"\\ud800\"", "\"\\u0000\""]).to_owned()),
        None => raw(random.among(VALUES).to_owned()),
    }
}

fn of_names(names: &Map<String, Value>, random: &mut Random) -> Spelled {
    let mut members = Vec::new();
    for (listed, test) in names {
        let optional = listed.ends_with('?') || listed == "*";
        if test.get("absent").is_some() || (optional && random.once_in(2)) {
            continue;
        }
        let name = if listed == "*" { random.among(NAMES) } else { listed.trim_end_matches('?') };
        members.push((quoted(name), of_value(test, random)));
    }
    if random.once_in(3) {
        members.reverse();
    }
    Spelled::Object(members)
}

fn quoted(name: &str) -> Vec<u8> {
    format!("\"{name}\"").into_bytes()
}

/// The number of containers, at least one.
fn count(tree: &Spelled) -> usize {
    match tree {
        Spelled::Raw(_) => 0,
        Spelled::List(list) => 1 + list.iter().map(count).sum::<usize>(),
        Spelled::Object(members) => {
            1 + members.iter().map(|(_, value)| count(value)).sum::<usize>()
        }
    }
}

fn at<'t>(tree: &'t mut Spelled, place: &mut usize) -> Option<&'t mut Spelled> {
    if matches!(tree, Spelled::Raw(_)) {
        return None;
    }
    if *place == 0 {
        return Some(tree);
    }
    *place -= 1;
    match tree {
        Spelled::Raw(_) => None,
        Spelled::List(list) => list.iter_mut().find_map(|element| at(element, place)),
        Spelled::Object(members) => members.iter_mut().find_map(|(_, value)| at(value, place)),
    }
}

fn fault(container: &mut Spelled, random: &mut Random) {
    let any = |random: &mut Random| Spelled::Raw(random.among(VALUES).as_bytes().to_vec());
    match container {
        Spelled::Raw(_) => {}
        Spelled::List(list) => {
            let place = random.below(list.len() + 1);
            match list.get_mut(place) {
                Some(element) if random.once_in(2) => *element = any(random),
                _ => list.insert(place, any(random)),
            }
        }
        Spelled::Object(members) => {
            let place = random.below(members.len() + 1);
            let Some((name, value)) = members.get(place).cloned() else {
                members.insert(random.below(place + 1), (quoted(random.among(NAMES)), any(random)));
                return;
            };
            match random.below(9) {
                0 => drop(members.remove(place)),
                1 => members[place].1 = any(random),
                2 => members.insert(random.below(members.len() + 1), (name, any(random))),
                3 => members.insert(random.below(members.len() + 1), (name, value)),
                4 => members[place].0 = escaped(&name, random),
                5 => members
                    .insert(random.below(members.len() + 1), (escaped(&name, random), any(random))),
                6 => members[place].0 = twin(&name, random),
                7 => members
                    .insert(random.below(members.len() + 1), (twin(&name, random), any(random))),
                _ => members.insert(
                    random.below(members.len() + 1),
                    (quoted(random.among(NAMES)), any(random)),
                ),
            }
        }
    }
}

/// The same name to whoever undoes escapes.
fn escaped(name: &[u8], random: &mut Random) -> Vec<u8> {
    let place = 1 + random.below(name.len() - 1);
    match name[place] {
        b'"' | b'\\' => name.to_vec(),
        plain if plain.is_ascii_alphanumeric() && !name.contains(&b'\\') => {
            let escape = if random.once_in(2) {
                format!("\\u{plain:04x}")
            } else {
                format!("\\u{plain:04X}")
            };
            [&name[..place], escape.as_bytes(), &name[place + 1..]].concat()
        }
        _ => name.to_vec(),
    }
}

/// Another name, that some reader takes for this one.
fn twin(name: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(&name[1..name.len() - 1]).into_owned();
    let middle = text
        .char_indices()
        .nth(random.below(text.chars().count().max(1)))
        .map_or(0, |(place, _)| place);
    let with = |piece: &str| format!("{}{piece}{}", &text[..middle], &text[middle..]);
    let made = match random.below(10) {
        0 => text.to_uppercase(),
        1 => text
            .chars()
            .enumerate()
            .map(|(number, each)| if number == 0 { each.to_ascii_uppercase() } else { each })
            .collect(),
        2 => with("_"),
        3 => with("-"),
        4 => text.replace(['_', '-'], ""),
        5 => text.replacen('s', "\u{17f}", 1).replacen('k', "\u{212a}", 1),
        6 => format!("{text}\\u0000"),
        7 => format!("{text}\\u0000x"),
        8 => format!("{text} "),
        _ => text.replacen('i', "\u{131}", 1),
    };
    quoted(&made)
}

fn write(tree: &Spelled, bytes: &mut Vec<u8>, random: &mut Random) {
    let blank = |random: &mut Random| *random.among(&[&"", &"", &"", &"", &" ", &"\n", &"\t\r\n "]);
    match tree {
        Spelled::Raw(raw) => bytes.extend_from_slice(raw),
        Spelled::List(list) => {
            bytes.push(b'[');
            for (number, element) in list.iter().enumerate() {
                bytes.extend_from_slice(if number == 0 { b"" } else { b"," });
                bytes.extend_from_slice(blank(random).as_bytes());
                write(element, bytes, random);
            }
            bytes.push(b']');
        }
        Spelled::Object(members) => {
            bytes.push(b'{');
            for (number, (name, value)) in members.iter().enumerate() {
                bytes.extend_from_slice(if number == 0 { b"" } else { b"," });
                bytes.extend_from_slice(blank(random).as_bytes());
                bytes.extend_from_slice(name);
                bytes.extend_from_slice(blank(random).as_bytes());
                bytes.push(b':');
                write(value, bytes, random);
            }
            bytes.push(b'}');
        }
    }
}

/// The text with a fault that is none of a member.
fn damaged(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let place = random.below(bytes.len());
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    match random.below(16) {
        0 => [b"\xEF\xBB\xBF".as_slice(), &bytes].concat(),
        1 => [
            &bytes,
            random.among::<[u8]>(&[
                b"}",
                b"\0",
                b"{}",
                b" //",
                b",",
                b"\n{\"base\":\"evil\"}",
                b"\xFF",
            ]),
        ]
        .concat(),
        2 => [
            random.among::<[u8]>(&[b"\x0c", b"\xC2\xA0", b"/**/", b"\0", b")]}',\n", b"\x1e"]),
            &bytes,
        ]
        .concat(),
        3 => [b"[".as_slice(), &bytes, b"]"].concat(),
        4 => [b" \n".as_slice(), &bytes, b"\r\n\t "].concat(),
        5 => bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
        6 => String::from_utf8_lossy(&bytes).replacen('}', ",}", 1).into_bytes(),
        7 => String::from_utf8_lossy(&bytes).replacen(']', ",]", 1).into_bytes(),
        8 => String::from_utf8_lossy(&bytes).replacen('"', "'", 2).into_bytes(),
        9 => {
            bytes[place] = u8::try_from(random.below(256)).unwrap();
            bytes
        }
        10 => {
            bytes.insert(place, u8::try_from(random.below(256)).unwrap());
            bytes
        }
        11 => {
            bytes.truncate(place);
            bytes
        }
        12 => replaced_at_quote(
            &bytes,
            random.among::<[u8]>(&[
                b"\"\xC0\xA2",
                b"\"\xED\xA0\x80",
                b"\"\xFF",
                b"\"\xF4\x90\x80\x80",
                b"\"\x7F",
                b"\"\x01",
            ]),
        ),
        13 => [b"{\"\":".as_slice(), &deep(62 + random.below(5)), b"}"].concat(),
        14 => {
            let inner = deep(60 + random.below(6));
            let text = String::from_utf8_lossy(&bytes).replacen(
                "{}",
                std::str::from_utf8(&inner).unwrap(),
                1,
            );
            text.into_bytes()
        }
        _ => [&bytes, bytes.as_slice()].concat(),
    }
}

fn replaced_at_quote(bytes: &[u8], with: &[u8]) -> Vec<u8> {
    let place = bytes.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    let begin = bytes[..place].iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    [&bytes[..begin], with, bytes.get(begin + 1..).unwrap_or_default()].concat()
}
