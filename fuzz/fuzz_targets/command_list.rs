//! Fuzzes lists of commands of a push: the reading is the same in any pieces, and whatever is taken
//! is what a reader finds that splits the text.
//!
//! Input: the length of the pieces, and the content of a push.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use magicproxy_git::{
    CommandList, CommandListBounds, CommandListFault, CommandListReader, PushCommand, Reading,
    report,
};

fuzz_target!(|data: &[u8]| {
    let [size, body @ ..] = data else { return };
    let whole = read(body, body.len().max(1));
    assert_eq!(whole, read(body, usize::from(*size).max(1)), "pieces make a difference");
    let Ok((list, length)) = whole else { return };
    // Whoever writes the commands down anew, and reads them, has the same.
    let names: BTreeSet<&str> = list.commands().iter().map(|c| c.name().as_str()).collect();
    assert_eq!(names.len(), list.commands().len(), "a name stands twice");
    let naive = naive(&body[..length]);
    let ours: Vec<String> = list.commands().iter().map(written).collect();
    assert_eq!(ours, naive);
    let reasons = vec!["a\nb\x1b"; list.commands().len()];
    if let Some(report) = report::refusal(&list, "a\x07\nb", &reasons) {
        assert!(!report.iter().any(|byte| *byte < b' ' && !b"\n\x01\x02".contains(byte)));
    }
});

fn read(body: &[u8], size: usize) -> Result<(CommandList, usize), CommandListFault> {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    for piece in body.chunks(size) {
        if let Reading::Whole { list, length } = reader.read(piece)? {
            return Ok((list, length));
        }
    }
    Err(CommandListFault::CutShort)
}

fn written(command: &PushCommand) -> String {
    format!("{} {} {}", command.old_id(), command.new_id(), command.name())
}

/// Finds the commands of a list that was taken: packets up to the first `0000`, without what stands
/// behind a NUL.
fn naive(mut list: &[u8]) -> Vec<String> {
    let mut commands = Vec::new();
    loop {
        let digits = std::str::from_utf8(&list[..4]).expect("digits are text");
        let length = usize::from_str_radix(digits, 16).expect("a length is a number");
        if length == 0 {
            return commands;
        }
        let text = std::str::from_utf8(&list[4..length]).expect("commands are text");
        let text = text.strip_suffix('\n').unwrap_or(text);
        if !text.starts_with("shallow ") {
            commands.push(text.split('\0').next().expect("a text has parts").to_owned());
        }
        list = &list[length..];
    }
}
