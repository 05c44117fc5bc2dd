//! Lists of commands, and the reports that refuse them.

use data_encoding::HEXLOWER;
use magicproxy_git::{
    Change, CommandList, CommandListBounds, CommandListFault, CommandListReader, Reading, report,
};
use serde::Deserialize;

use super::vectors;

/// One packet of a case, or what stands in the place of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Data(String),
    Hex { hex: String },
    Raw { raw: String },
    Repeat { repeat: usize, line: String, times: Option<usize> },
    Flush(()),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListCase {
    name: String,
    lines: Option<Vec<Line>>,
    content: Option<String>,
    list: Option<Expected>,
    length: Option<usize>,
    commands: Option<usize>,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    object_format: String,
    commands: Vec<(String, String, String, String)>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    shallow: Vec<String>,
    #[serde(default)]
    atomic: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportCase {
    name: String,
    lines: Option<Vec<Line>>,
    message: String,
    #[serde(default)]
    reasons: Vec<String>,
    report: Option<String>,
}

/// Writes packets.
fn written(lines: &[Line]) -> Vec<u8> {
    let packet = |data: &[u8]| [format!("{:04x}", data.len() + 4).as_bytes(), data].concat();
    let part = |line: &Line| match line {
        Line::Data(text) => packet(text.as_bytes()),
        Line::Hex { hex } => packet(&HEXLOWER.decode(hex.as_bytes()).unwrap()),
        Line::Repeat { repeat, line, times } => {
            let line = line.repeat(times.unwrap_or(1));
            let lines = (0..*repeat).map(|number| line.replace('#', &number.to_string()));
            lines.flat_map(|line| packet(line.as_bytes())).collect()
        }
        Line::Raw { raw } => raw.as_bytes().to_vec(),
        Line::Flush(_) => b"0000".to_vec(),
    };
    lines.iter().flat_map(part).collect()
}

/// Reads a list that is all of a request's content, or all but the pack.
fn read(body: &[u8], piece: usize) -> Result<(CommandList, usize), CommandListFault> {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    for piece in body.chunks(piece) {
        if let Reading::Whole { list, length } = reader.read(piece)? {
            return Ok((list, length));
        }
    }
    Err(CommandListFault::CutShort)
}

fn check(case: &ListCase, piece: usize) {
    let name = &case.name;
    let body = match (&case.lines, &case.content) {
        (Some(lines), None) => written(lines),
        (None, Some(content)) => content.as_bytes().to_vec(),
        _ => panic!("{name}: `lines` or `content`"),
    };
    let found = read(&body, piece);
    if let Some(code) = &case.refused {
        assert_eq!(found.map_err(CommandListFault::code), Err(&**code), "{name}");
        return;
    }
    let (list, length) = found.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    assert_eq!(length, case.length.unwrap_or(body.len()), "{name}");
    if let Some(number) = case.commands {
        assert_eq!(list.commands().len(), number, "{name}");
        return;
    }
    let expected = case.list.as_ref().unwrap();
    let commands: Vec<(String, String, String, String)> = list
        .commands()
        .iter()
        .map(|command| {
            let change = match command.change() {
                Change::Create => "create",
                Change::Update => "update",
                Change::Delete => "delete",
            };
            let (old, new) = (command.old_id().to_string(), command.new_id().to_string());
            (old, new, command.name().to_string(), change.to_owned())
        })
        .collect();
    assert_eq!(commands, expected.commands, "{name}");
    let options: Vec<String> = list.options().iter().map(|option| (**option).into()).collect();
    assert_eq!(options, expected.options, "{name}");
    let shallow: Vec<String> = list.shallow().iter().map(ToString::to_string).collect();
    assert_eq!(shallow, expected.shallow, "{name}");
    assert_eq!(list.object_format().name(), expected.object_format, "{name}");
    assert_eq!(list.is_atomic(), expected.atomic, "{name}");
    assert_eq!(list.is_probe(), commands.is_empty(), "{name}");
}

#[test]
fn command_lists() {
    for case in vectors::<ListCase>("command_lists") {
        for piece in [1 << 20, 1, 7, 100] {
            check(&case, piece);
        }
    }
}

#[test]
fn reports() {
    for case in vectors::<ReportCase>("reports") {
        let found = match &case.lines {
            None => Some(report::unread(&case.message)),
            Some(lines) => {
                let (list, _) = read(&written(lines), 1 << 20).unwrap();
                let reasons: Vec<&str> = case.reasons.iter().map(String::as_str).collect();
                report::refusal(&list, &case.message, &reasons)
            }
        };
        let found = found.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(found, case.report, "{}", case.name);
    }
}
