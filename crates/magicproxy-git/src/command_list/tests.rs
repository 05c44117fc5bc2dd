//! Lists, whole and in pieces, and every fault of one. `testdata/vectors/git.json` has more.

use crate::object_id::{ObjectFormat, ObjectId};
use crate::packet;
use crate::ref_name::RefName;

use super::{
    Change, CommandList, CommandListBounds, CommandListFault, CommandListReader, MAX_PUSH_OPTIONS,
    PushCommand, Reading,
};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const ZERO: &str = "0000000000000000000000000000000000000000";
const WORDS: &str = "\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.47.3";

/// Writes packets; `-` is a flush.
fn written(lines: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    for line in lines {
        match line.as_str() {
            "-" => body.extend_from_slice(b"0000"),
            line => packet::write(&mut body, &[line.as_bytes()]),
        }
    }
    body
}

fn read(body: &[u8]) -> Result<Reading, CommandListFault> {
    CommandListReader::new(CommandListBounds::default()).read(body)
}

fn whole(lines: &[String]) -> CommandList {
    let mut body = written(lines);
    let end = body.len();
    body.extend_from_slice(b"PACK");
    match read(&body) {
        Ok(Reading::Whole { list, length }) => {
            assert_eq!(length, end);
            list
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(lines: &[String], expected: CommandListFault) {
    assert_eq!(read(&written(lines)), Err(expected), "{lines:?}");
}

fn command(old: &str, new: &str, name: &str) -> String {
    format!("{old} {new} {name}")
}

fn first() -> String {
    format!("{OLD} {NEW} refs/heads/main{WORDS}")
}

fn end() -> String {
    "-".to_owned()
}

#[test]
fn a_list_has_its_commands_in_order() {
    let lines = [
        format!("shallow {OLD}"),
        first(),
        command(ZERO, NEW, "refs/heads/new"),
        command(OLD, ZERO, "refs/tags/gone\n"),
        end(),
    ];
    let list = whole(&lines);
    let seen: Vec<(Change, &str)> =
        list.commands().iter().map(|c| (c.change(), c.name().as_str())).collect();
    assert_eq!(
        seen,
        [
            (Change::Update, "refs/heads/main"),
            (Change::Create, "refs/heads/new"),
            (Change::Delete, "refs/tags/gone"),
        ]
    );
    assert_eq!(list.commands()[0].old_id().to_string(), OLD);
    assert_eq!(list.commands()[0].new_id().to_string(), NEW);
    assert_eq!(list.shallow().len(), 1);
    assert!(list.expects_report() && list.has_side_band() && !list.is_atomic());
    assert!(!list.is_probe());
}

#[test]
fn a_list_reads_the_same_in_any_pieces() {
    let lines = [
        format!("{OLD} {NEW} refs/heads/main\0report-status push-options atomic"),
        command(ZERO, NEW, "refs/heads/new"),
        end(),
        "ci.skip".to_owned(),
        "shallow x\n".to_owned(),
        end(),
    ];
    let expected = whole(&lines);
    assert_eq!(expected.options(), ["ci.skip".into(), "shallow x".into()]);
    assert!(expected.is_atomic());
    let body = [written(&lines), b"PACK".to_vec()].concat();
    for size in 1..body.len() {
        let mut reader = CommandListReader::new(CommandListBounds::default());
        let mut pieces = body.chunks(size);
        let reading = loop {
            match reader.read(pieces.next().unwrap()).unwrap() {
                Reading::More => {}
                whole => break whole,
            }
        };
        assert_eq!(
            reading,
            Reading::Whole { list: expected.clone(), length: body.len() - 4 },
            "{size}"
        );
        assert_eq!(reader.read(b"PACK"), Err(CommandListFault::Ended));
    }
}

#[test]
fn a_probe_is_a_list_without_commands() {
    let list = whole(&[end()]);
    assert!(list.is_probe());
    check(&[format!("shallow {OLD}"), end()], CommandListFault::Empty);
}

#[test]
fn ids_of_sha256_are_twice_as_long() {
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let words = "\0 object-format=sha256 report-status";
    let list =
        whole(&[format!("shallow {new}"), format!("{old} {new} refs/heads/main{words}"), end()]);
    assert_eq!(list.object_format(), ObjectFormat::Sha256);
    assert_eq!(list.commands()[0].old_id().to_string(), old);
    let mixed = CommandListFault::ObjectFormat;
    check(&[format!("{old} {new} refs/heads/main{WORDS}"), end()], mixed);
    check(&[format!("{OLD} {NEW} refs/heads/main{words}"), end()], mixed);
    check(&[format!("shallow {OLD}"), format!("{old} {new} refs/a/b{words}"), end()], mixed);
    check(&[format!("{OLD} {NEW} refs/heads/main\0object-format=sha512"), end()], mixed);
}

#[test]
fn what_two_servers_could_read_in_two_ways_is_refused() {
    use CommandListFault as Fault;
    let upper = format!("{} {NEW} refs/heads/main{WORDS}", "A".repeat(40));
    let cases: Vec<(Vec<String>, Fault)> = vec![
        // The second line's capabilities are git's, and nobody else's.
        (
            vec![first(), format!("{ZERO} {NEW} refs/heads/b\0push-options"), end()],
            Fault::Capability,
        ),
        (vec![format!("{}\0atomic", first()), end()], Fault::Capability),
        // git searches words between any white space, and takes any value for "yes".
        (
            vec![format!("{OLD} {NEW} refs/heads/a\0agent=x\tpush-options"), end()],
            Fault::Capability,
        ),
        (vec![format!("{OLD} {NEW} refs/heads/a\0push-options=x"), end()], Fault::Capability),
        (vec![format!("{OLD} {NEW} refs/heads/a\0push-cert=nonce"), end()], Fault::Capability),
        (vec![format!("{OLD} {NEW} refs/heads/a\0atomic atomic"), end()], Fault::Capability),
        (
            vec![
                format!("{OLD} {NEW} refs/heads/a\0object-format=sha1 object-format=sha256"),
                end(),
            ],
            Fault::Capability,
        ),
        (vec![first(), command(OLD, NEW, "refs/heads/main"), end()], Fault::NameTwice),
        (vec![first(), format!("shallow {OLD}"), end()], Fault::Shallow),
        (vec![format!("shallow {OLD} "), first(), end()], Fault::Shallow),
        (vec![format!("shallow {}", &OLD[1..]), first(), end()], Fault::Shallow),
        (vec!["push-cert\0report-status".to_owned(), end()], Fault::PushCertificate),
        (vec![first(), "push-cert".to_owned(), end()], Fault::PushCertificate),
        (vec![upper, end()], Fault::Command),
        (vec![format!("{ZERO} {ZERO} refs/heads/main{WORDS}"), end()], Fault::Command),
        (vec![format!("{OLD}  {NEW} refs/heads/main{WORDS}"), end()], Fault::Command),
        (vec![format!("{OLD} {NEW}"), end()], Fault::Command),
        (vec![format!("{OLD} {NEW} {WORDS}"), end()], Fault::Name),
        (vec![format!("{OLD} {NEW}  refs/heads/main{WORDS}"), end()], Fault::Name),
        (vec![format!("{OLD} {NEW} refs/heads/main\n\n"), end()], Fault::Name),
        (vec![format!("{OLD} {NEW} refs/heads/main {WORDS}"), end()], Fault::Name),
        (vec![format!("{OLD} {NEW} HEAD{WORDS}"), end()], Fault::Name),
        (vec!["hello".to_owned(), end()], Fault::Command),
    ];
    for (lines, fault) in cases {
        check(&lines, fault);
    }
    for bytes in ["PACK", "0001", "0002", "0004", "00D5", "\0\0\0\0", "ERR "] {
        assert_eq!(read(bytes.as_bytes()), Err(Fault::Packet), "{bytes:?}");
    }
}

#[test]
fn options_are_text() {
    let first = format!("{OLD} {NEW} refs/heads/main\0push-options");
    for option in ["a\nb", "a\0b", "\x1b[2J", "\n"] {
        check(&[first.clone(), end(), option.to_owned(), end()], CommandListFault::Option);
    }
    let mut body = written(&[first, end()]);
    packet::write(&mut body, &[b"\xff"]);
    assert_eq!(read(&body), Err(CommandListFault::Option));
}

#[test]
fn each_bound_holds_at_it_and_not_beyond() {
    let bounds = |bytes, commands| CommandListBounds { bytes, commands };
    let lines = [first(), command(ZERO, NEW, "refs/heads/b"), end()];
    let body = written(&lines);
    let read = |bounds| CommandListReader::new(bounds).read(&body).map(|_| ());
    assert_eq!(read(bounds(body.len(), 2)), Ok(()));
    assert_eq!(read(bounds(body.len() - 1, 2)), Err(CommandListFault::TooLong));
    assert_eq!(read(bounds(body.len(), 1)), Err(CommandListFault::TooManyCommands));

    let mut reader = CommandListReader::new(bounds(1_000, 2));
    assert_eq!(reader.read(b"03e8"), Ok(Reading::More));
    let mut reader = CommandListReader::new(bounds(1_000, 2));
    assert_eq!(reader.read(b"03e9"), Err(CommandListFault::TooLong));

    let mut lines = vec![format!("{OLD} {NEW} refs/heads/main\0push-options"), end()];
    lines.extend((0..MAX_PUSH_OPTIONS).map(|number| format!("option-{number}")));
    let fits = [lines.clone(), vec![end()]].concat();
    assert_eq!(whole(&fits).options().len(), MAX_PUSH_OPTIONS);
    lines.extend(["one more".to_owned(), end()]);
    check(&lines, CommandListFault::TooManyOptions);
}

#[test]
fn a_list_that_is_only_asked_about_has_the_same_rules() {
    let id = |digits: &str| ObjectId::parse(ObjectFormat::Sha1, digits.as_bytes()).unwrap();
    let name = |name: &str| RefName::parse(name.as_bytes()).unwrap();
    let command = PushCommand::new(id(OLD), id(NEW), name("refs/heads/main")).unwrap();
    let list = CommandList::of(vec![command.clone()], vec!["ci.skip".into()]).unwrap();
    assert_eq!(list.commands(), std::slice::from_ref(&command));
    assert_eq!(list.options(), ["ci.skip".into()]);
    let fault =
        |commands: Vec<PushCommand>, options| CommandList::of(commands, options).unwrap_err();
    let twice = vec![command.clone(), command.clone()];
    assert_eq!(fault(twice, vec![]), CommandListFault::NameTwice);
    assert_eq!(fault(vec![command.clone()], vec!["a\nb".into()]), CommandListFault::Option);
    let long = ObjectId::from_bytes(ObjectFormat::Sha256, &[1; 32]).unwrap();
    let other = PushCommand::new(long, long, name("refs/heads/b")).unwrap();
    assert_eq!(fault(vec![command, other], vec![]), CommandListFault::ObjectFormat);
    assert!(PushCommand::new(id(OLD), long, name("refs/heads/b")).is_err());
    assert!(PushCommand::new(id(ZERO), id(ZERO), name("refs/heads/b")).is_err());
}
