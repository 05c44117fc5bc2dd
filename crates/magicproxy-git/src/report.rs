//! The report by which a server tells git that it refused a push. `git.md` section 4.
//!
//! A report is the content of a response with status 200 and the type [`CONTENT_TYPE`]. git takes
//! any other status for a broken connection, and tells its user that everything is up to date.

#[cfg(test)]
mod tests;

use crate::command_list::CommandList;
use crate::packet::{self, FLUSH, LONGEST_PACKET};

/// The media type of a report.
pub const CONTENT_TYPE: &str = "application/x-git-receive-pack-result";
/// The longest reason for one reference, in bytes. What is longer is cut.
const LONGEST_REASON: usize = 1_000;
/// The longest message for the user, in bytes. What is longer is cut.
const LONGEST_MESSAGE: usize = 8_000;
/// The longest data of a packet in a side band.
const LONGEST_BAND: usize = LONGEST_PACKET - 5;
/// The side band of reports.
const DATA: u8 = 1;
/// The side band whose lines git shows behind `remote: `.
const PROGRESS: u8 = 2;

/// Writes the report that refuses every command of a list. git shows `message` line by line behind
/// `remote: `, and each reason as in `! [remote rejected] main -> main (REASON)`, and exits with 1.
///
/// `reasons` stand in the order of the commands; a command beyond the last of them was not
/// attempted. Returns `None` if the client reads no report: a refusal with a status of HTTP is all
/// that such a client can be told.
#[must_use]
pub fn refusal(list: &CommandList, message: &str, reasons: &[&str]) -> Option<Vec<u8>> {
    if !list.expects_report() {
        return None;
    }
    let mut report = Vec::new();
    packet::write(&mut report, &[b"unpack ok\n"]);
    for (number, command) in list.commands().iter().enumerate() {
        let reason = reasons.get(number).copied().unwrap_or("not attempted");
        let reason = one_line(reason, LONGEST_REASON);
        let name = cut(command.name().as_str(), LONGEST_PACKET - LONGEST_REASON - 16);
        packet::write(&mut report, &[b"ng ", name.as_bytes(), b" ", reason.as_bytes(), b"\n"]);
    }
    report.extend_from_slice(FLUSH);
    Some(if list.has_side_band() { in_bands(message, &report) } else { report })
}

/// Writes the report that refuses a push whose commands are not known. git shows `message` as a
/// failure of the remote for each of its references, and exits with 1.
///
/// The report stands in a side band, as every client takes it that was offered one.
#[must_use]
pub fn unread(message: &str) -> Vec<u8> {
    let mut report = Vec::new();
    let reason = one_line(message, LONGEST_REASON);
    packet::write(&mut report, &[b"unpack ", reason.as_bytes(), b"\n"]);
    report.extend_from_slice(FLUSH);
    in_bands(message, &report)
}

fn in_bands(message: &str, report: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in cut(message, LONGEST_MESSAGE).lines() {
        let line = one_line(line, LONGEST_MESSAGE);
        packet::write(&mut out, &[&[PROGRESS], line.as_bytes(), b"\n"]);
    }
    for part in report.chunks(LONGEST_BAND) {
        packet::write(&mut out, &[&[DATA], part]);
    }
    out.extend_from_slice(FLUSH);
    out
}

/// Returns a text without control characters, which could steer the terminal of git's user.
fn one_line(text: &str, longest: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = cut(text.trim(), longest);
    if text.is_empty() { "refused".to_owned() } else { text.to_owned() }
}

/// Returns the beginning of a text, of at most so many bytes.
fn cut(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest)).unwrap_or_default()
}
