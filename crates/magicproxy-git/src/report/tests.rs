//! Reports, packet by packet.

use crate::command_list::{CommandList, CommandListBounds, CommandListReader, Reading};
use crate::packet::{self, LONGEST_PACKET, Packet};

use super::{refusal, unread};

fn list(capabilities: &str, names: &[&str]) -> CommandList {
    let mut body = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let words = if number == 0 { format!("\0 {capabilities}") } else { String::new() };
        let line = format!("{} {} refs/heads/{name}{words}", "1".repeat(40), "2".repeat(40));
        packet::write(&mut body, &[line.as_bytes()]);
    }
    body.extend_from_slice(b"0000");
    match CommandListReader::new(CommandListBounds::default()).read(&body) {
        Ok(Reading::Whole { list, .. }) => list,
        other => panic!("{other:?}"),
    }
}

/// Undoes the side bands: what the user is shown, and the report.
fn bands(mut bytes: &[u8]) -> (String, Vec<u8>) {
    let (mut shown, mut report) = (String::new(), Vec::new());
    loop {
        match packet::next(bytes).unwrap() {
            (Packet::Data(data), rest) => {
                match data[0] {
                    1 => report.extend_from_slice(&data[1..]),
                    2 => shown.push_str(std::str::from_utf8(&data[1..]).unwrap()),
                    band => panic!("band {band}"),
                }
                bytes = rest;
            }
            (Packet::Flush, rest) => {
                assert!(rest.is_empty());
                return (shown, report);
            }
            (Packet::Part(_), _) => panic!("a packet is cut"),
        }
    }
}

#[test]
fn a_report_says_no_to_each_command() {
    let list = list("report-status side-band-64k", &["a", "main"]);
    let report = refusal(&list, "see the guide\nor ask", &["branches agent/* only"]).unwrap();
    let (shown, report) = bands(&report);
    assert_eq!(shown, "see the guide\nor ask\n");
    assert_eq!(
        String::from_utf8(report).unwrap(),
        "000eunpack ok\n002ang refs/heads/a branches agent/* only\n\
         0025ng refs/heads/main not attempted\n0000"
    );
}

#[test]
fn a_client_without_side_band_reads_the_report_alone() {
    let report = refusal(&list("report-status-v2", &["a"]), "unseen", &["no"]).unwrap();
    assert_eq!(report, b"000eunpack ok\n0017ng refs/heads/a no\n0000");
}

#[test]
fn a_client_that_expects_no_report_gets_none() {
    assert_eq!(refusal(&list("side-band-64k", &["a"]), "no", &["no"]), None);
}

#[test]
fn nothing_steers_a_terminal_and_nothing_begins_a_line() {
    let list = list("report-status side-band-64k", &["a"]);
    let (shown, report) = bands(&refusal(&list, "a\x1b[2Jb\rc", &["x\n0000\x1b]0;y\x07"]).unwrap());
    assert_eq!(shown, "a [2Jb c\n");
    let report = String::from_utf8(report).unwrap();
    assert!(report.ends_with("ng refs/heads/a x 0000 ]0;y\n0000"), "{report}");
}

#[test]
fn long_reports_are_cut_and_stand_in_several_packets() {
    let names: Vec<String> = (0..900).map(|number| format!("branch-{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let list = list("report-status side-band-64k", &names);
    let reason = "é".repeat(600);
    let bytes = refusal(&list, &"m".repeat(10_000), &vec![reason.as_str(); 900]).unwrap();
    let (shown, report) = bands(&bytes);
    assert_eq!(shown.len(), 8_001);
    assert!(report.len() > 10 * LONGEST_PACKET);
    let mut rest = &report[..];
    let mut lines = Vec::new();
    while let (Packet::Data(line), more) = packet::next(rest).unwrap() {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
        rest = more;
    }
    assert_eq!(lines.len(), 901);
    assert_eq!(lines[900], format!("ng refs/heads/branch-0899 {}\n", "é".repeat(500)));
}

#[test]
fn a_push_that_was_not_read_fails_as_a_whole() {
    let (shown, report) = bands(&unread("this push is not read: it is signed"));
    assert_eq!(shown, "this push is not read: it is signed\n");
    assert_eq!(report, b"002funpack this push is not read: it is signed\n0000");
}
