//! Proofs on packs that are written here. `tests/histories.rs` has packs of git itself.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{
    FastForwardProof, MAX_PROOF_MEMORY, MAX_PROVED_COMMANDS, Progress, ProofBounds, Verdict,
};
use crate::command_list::{
    CommandList, CommandListBounds, CommandListReader, PushCommand, Reading,
};
use crate::digest::object_id;
use crate::object_id::{ObjectFormat, ObjectId};
use crate::packet;
use crate::ref_name::RefName;

const FORMAT: ObjectFormat = ObjectFormat::Sha1;

/// A commit and its id.
#[derive(Clone)]
struct Commit {
    id: ObjectId,
    text: Vec<u8>,
}

fn commit(parents: &[ObjectId], message: &str) -> Commit {
    let mut text = format!("tree {}\n", "4".repeat(FORMAT.id_digits()));
    for parent in parents {
        text.push_str(&format!("parent {parent}\n"));
    }
    text.push_str("author A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n\n");
    text.push_str(message);
    named(text.into_bytes())
}

fn named(text: Vec<u8>) -> Commit {
    Commit { id: object_id(FORMAT, "commit", &text).unwrap(), text }
}

/// A chain of commits, the oldest first.
fn chain(length: usize) -> Vec<Commit> {
    let mut chain = vec![commit(&[], "root")];
    while chain.len() < length {
        let parent = chain[chain.len() - 1].id;
        chain.push(commit(&[parent], &format!("commit {}", chain.len())));
    }
    chain
}

/// Writes a pack object by object.
struct PackWriter {
    bytes: Vec<u8>,
    objects: u32,
}

impl PackWriter {
    fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), objects: 0 }
    }

    fn of<'a>(commits: impl IntoIterator<Item = &'a Commit>) -> Self {
        let mut pack = Self::new();
        commits.into_iter().for_each(|commit| {
            pack.object(1, &commit.text);
        });
        pack
    }

    /// Appends an object and returns its place.
    fn object(&mut self, kind: u8, content: &[u8]) -> usize {
        self.entry(kind, content.len(), &[], content)
    }

    fn entry(&mut self, kind: u8, size: usize, base: &[u8], content: &[u8]) -> usize {
        let place = self.bytes.len();
        let (mut byte, mut size) = (kind << 4 | (size & 15) as u8, size >> 4);
        while size > 0 {
            self.bytes.push(byte | 0x80);
            (byte, size) = ((size & 0x7f) as u8, size >> 7);
        }
        self.bytes.push(byte);
        self.bytes.extend_from_slice(base);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
        self.objects += 1;
        place
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.objects.to_be_bytes());
        self.bytes.extend_from_slice(&[0; 20]);
        self.bytes
    }
}

/// The distance of a base, as a pack writes it.
fn distance(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![(value & 0x7f) as u8];
    while value >> 7 > 0 {
        value = (value >> 7) - 1;
        bytes.insert(0, 0x80 | (value & 0x7f) as u8);
    }
    bytes
}

/// A length of at most 14 bits, as a delta writes it.
fn length(value: usize) -> [u8; 2] {
    [0x80 | (value & 0x7f) as u8, (value >> 7) as u8]
}

/// A delta that copies nothing.
fn delta(base: &[u8], result: &[u8]) -> Vec<u8> {
    let mut delta = [length(base.len()), length(result.len())].concat();
    for part in result.chunks(127) {
        delta.push(part.len() as u8);
        delta.extend_from_slice(part);
    }
    delta
}

fn list(updates: &[(ObjectId, ObjectId)]) -> CommandList {
    let commands = updates.iter().enumerate().map(|(number, (old, new))| {
        let name = RefName::parse(format!("refs/heads/b{number}").as_bytes()).unwrap();
        PushCommand::new(*old, *new, name).unwrap()
    });
    CommandList::of(commands.collect(), Vec::new()).unwrap()
}

/// A list as a client writes it that has no parents of these commits.
fn shallow_list(old: ObjectId, new: ObjectId, shallow: &[ObjectId]) -> CommandList {
    let mut body = Vec::new();
    for id in shallow {
        packet::write(&mut body, &[format!("shallow {id}").as_bytes()]);
    }
    packet::write(&mut body, &[format!("{old} {new} refs/heads/b").as_bytes()]);
    body.extend_from_slice(b"0000");
    match CommandListReader::new(CommandListBounds::default()).read(&body) {
        Ok(Reading::Whole { list, .. }) => list,
        other => panic!("{other:?}"),
    }
}

fn proof_of(list: &CommandList, bounds: ProofBounds, pack: &[u8]) -> FastForwardProof {
    let commands: Vec<usize> = (0..list.commands().len()).collect();
    let mut proof = FastForwardProof::new(list, &commands, bounds);
    assert_ne!(proof.read(pack, usize::MAX), Progress::Paused { consumed: 0 });
    proof
}

fn verdict(old: ObjectId, new: ObjectId, pack: &[u8]) -> Verdict {
    proof_of(&list(&[(old, new)]), ProofBounds::default(), pack).verdict(0)
}

fn not_proved(frontier: &[ObjectId]) -> Verdict {
    Verdict::NotProved { frontier: frontier.to_vec() }
}

#[test]
fn a_way_along_parents_is_a_proof() {
    let chain = chain(6);
    let pack = PackWriter::of(chain[2..].iter().rev()).finish();
    assert_eq!(verdict(chain[1].id, chain[5].id, &pack), Verdict::Proved);
    assert_eq!(verdict(chain[2].id, chain[5].id, &pack), Verdict::Proved);
    assert_eq!(verdict(chain[5].id, chain[5].id, &pack), Verdict::Proved);
    // The other way round, and past what the pack has.
    assert_eq!(verdict(chain[5].id, chain[2].id, &pack), not_proved(&[chain[1].id]));
    assert_eq!(verdict(chain[0].id, chain[5].id, &pack), not_proved(&[chain[1].id]));
}

#[test]
fn the_order_of_objects_does_not_matter() {
    let chain = chain(6);
    let mut pack = PackWriter::new();
    for number in [3, 5, 1, 4, 2] {
        pack.object(3, b"a file");
        pack.object(1, &chain[number].text);
    }
    assert_eq!(verdict(chain[0].id, chain[5].id, &pack.finish()), Verdict::Proved);
}

#[test]
fn a_merge_leads_to_both_of_its_sides() {
    let (root, side) = (commit(&[], "root"), commit(&[], "side"));
    let merge = commit(&[root.id, side.id], "merge");
    let other = commit(&[], "other");
    let pack = PackWriter::of([&merge]).finish();
    assert_eq!(verdict(root.id, merge.id, &pack), Verdict::Proved);
    assert_eq!(verdict(side.id, merge.id, &pack), Verdict::Proved);
    assert_eq!(verdict(other.id, merge.id, &pack), not_proved(&[root.id, side.id]));
}

#[test]
fn a_pack_without_the_commit_proves_nothing() {
    let chain = chain(3);
    let ids = (chain[0].id, chain[2].id);
    assert_eq!(verdict(ids.0, ids.1, &PackWriter::new().finish()), not_proved(&[ids.1]));
    assert_eq!(verdict(ids.0, ids.1, b""), not_proved(&[ids.1]));
    // The commit as a file or a tag, which has another id.
    for kind in [2, 3, 4] {
        let mut pack = PackWriter::of([&chain[1]]);
        pack.object(kind, &chain[2].text);
        assert_eq!(verdict(ids.0, ids.1, &pack.finish()), not_proved(&[ids.1]));
    }
}

#[test]
fn a_text_in_a_pack_cannot_take_the_place_of_another() {
    let chain = chain(3);
    // The forger's commit says what the forger wants, under an id of its own.
    let forged = commit(&[chain[0].id], "forged");
    let new = commit(&[], "new");
    let pack = PackWriter::of([&forged, &new]).finish();
    assert_eq!(verdict(chain[0].id, new.id, &pack), not_proved(&[]));
}

#[test]
fn deltas_on_commits_that_were_read_are_undone() {
    let chain = chain(4);
    let mut pack = PackWriter::new();
    let base = pack.object(1, &chain[3].text);
    let place = pack.bytes.len();
    let first = delta(&chain[3].text, &chain[2].text);
    pack.entry(6, first.len(), &distance(place - base), &first);
    let second = delta(&chain[2].text, &chain[1].text);
    let id = chain[2].id.to_string();
    let id: Vec<u8> =
        (0..20).map(|byte| u8::from_str_radix(&id[2 * byte..2 * byte + 2], 16).unwrap()).collect();
    pack.entry(7, second.len(), &id, &second);
    assert_eq!(verdict(chain[0].id, chain[3].id, &pack.finish()), Verdict::Proved);

    // A base at the server, and a distance to where no commit begins.
    for (kind, base) in [(7, vec![9; 20]), (6, distance(3)), (6, distance(1 << 40))] {
        let mut pack = PackWriter::of([&chain[3]]);
        pack.entry(kind, first.len(), &base, &first);
        assert_eq!(verdict(chain[0].id, chain[3].id, &pack.finish()), not_proved(&[chain[2].id]));
    }
}

#[test]
fn no_way_leads_through_a_shallow_commit() {
    let chain = chain(4);
    let pack = PackWriter::of(chain[1..].iter().rev()).finish();
    let verdict = |shallow: &[usize]| {
        let shallow: Vec<ObjectId> = shallow.iter().map(|number| chain[*number].id).collect();
        let list = shallow_list(chain[0].id, chain[3].id, &shallow);
        proof_of(&list, ProofBounds::default(), &pack).verdict(0)
    };
    assert_eq!(verdict(&[0]), Verdict::Proved);
    for shallow in [1, 2, 3] {
        assert_eq!(verdict(&[shallow]), not_proved(&[]), "{shallow}");
    }
    // Nor is a server asked about one.
    let pack = PackWriter::of([&chain[3]]).finish();
    let list = shallow_list(chain[0].id, chain[3].id, &[chain[2].id]);
    assert_eq!(proof_of(&list, ProofBounds::default(), &pack).verdict(0), not_proved(&[]));
}

#[test]
fn each_update_has_its_own_verdict() {
    let chain = chain(5);
    let other = commit(&[], "other");
    let zero = ObjectId::zero(FORMAT);
    let updates = [
        (chain[0].id, chain[4].id),
        (other.id, chain[4].id),
        (chain[3].id, chain[1].id),
        (zero, chain[4].id),
        (chain[0].id, zero),
        (chain[1].id, chain[2].id),
    ];
    let pack = PackWriter::of(chain[1..].iter().rev()).finish();
    let proof = proof_of(&list(&updates), ProofBounds::default(), &pack);
    let verdicts: Vec<Verdict> = (0..7).map(|place| proof.verdict(place)).collect();
    let none = Verdict::CannotTell;
    let expected = [
        Verdict::Proved,
        not_proved(&[chain[0].id]),
        not_proved(&[chain[0].id]),
        none.clone(),
        none.clone(),
        Verdict::Proved,
        none,
    ];
    assert_eq!(verdicts, expected);
}

#[test]
fn only_so_many_updates_are_proved() {
    let chain = chain(3);
    let updates = vec![(chain[0].id, chain[2].id); MAX_PROVED_COMMANDS + 1];
    let pack = PackWriter::of(chain[1..].iter().rev()).finish();
    let proof = proof_of(&list(&updates), ProofBounds::default(), &pack);
    for place in 0..MAX_PROVED_COMMANDS {
        assert_eq!(proof.verdict(place), Verdict::Proved);
    }
    assert_eq!(proof.verdict(MAX_PROVED_COMMANDS), Verdict::CannotTell);
}

#[test]
fn pieces_and_budgets_make_no_difference() {
    let chain = chain(40);
    let mut pack = PackWriter::new();
    for commit in chain[1..].iter().rev() {
        pack.object(3, &vec![b'x'; 40_000]);
        pack.object(1, &commit.text);
    }
    let pack = pack.finish();
    let list = list(&[(chain[0].id, chain[39].id), (chain[39].id, chain[0].id)]);
    for (piece, budget) in [(1, 1), (1, 1 << 20), (7, 100), (4_000, 1), (1 << 20, 5_000)] {
        let mut proof = FastForwardProof::new(&list, &[0, 1], ProofBounds::default());
        let mut calls = 0;
        'pieces: for mut piece in pack.chunks(piece) {
            loop {
                calls += 1;
                match proof.read(piece, budget) {
                    Progress::Paused { consumed } => piece = &piece[consumed..],
                    Progress::More => break,
                    Progress::Done => break 'pieces,
                }
            }
        }
        assert_eq!(proof.verdict(0), Verdict::Proved, "{piece} {budget}");
        assert_eq!(proof.verdict(1), not_proved(&[chain[0].id]), "{piece} {budget}");
        assert!(calls >= 40 * 40_000 / (budget + 20_000), "{calls} calls with {budget}");
    }
}

#[test]
fn what_cannot_be_read_is_not_told() {
    let chain = chain(3);
    let ids = (chain[0].id, chain[2].id);
    let whole = PackWriter::of(chain[1..].iter().rev()).finish();
    assert_eq!(verdict(ids.0, ids.1, &whole), Verdict::Proved);
    let changed = |place: usize, byte: u8| {
        let mut pack = whole.clone();
        pack[place] = byte;
        pack
    };
    let mut longer = PackWriter::of([&chain[2]]);
    longer.entry(1, chain[1].text.len() + 1, &[], &chain[1].text);
    let mut shorter = PackWriter::of([&chain[2]]);
    shorter.entry(1, chain[1].text.len() - 1, &[], &chain[1].text);
    let mut garbled = PackWriter::of([&chain[2]]);
    garbled.object(1, b"tree");
    let mut wrong = PackWriter::of([&chain[2]]);
    let delta = delta(&chain[2].text[1..], &chain[1].text);
    let back = wrong.bytes.len() - 12;
    wrong.entry(6, delta.len(), &distance(back), &delta);
    let packs = [
        changed(0, b'p'),
        changed(7, 3),
        changed(12, 0x50),
        changed(14, 0),
        changed(20, 0xff),
        longer.finish(),
        shorter.finish(),
        garbled.finish(),
        wrong.finish(),
    ];
    for (number, pack) in packs.iter().enumerate() {
        assert_eq!(verdict(ids.0, ids.1, pack), Verdict::CannotTell, "{number}");
    }
    // What was proved before the fault stays proved.
    let mut pack = PackWriter::of(chain[1..].iter().rev());
    pack.object(5, b"no kind of object");
    assert_eq!(verdict(ids.0, ids.1, &pack.finish()), Verdict::Proved);
}

#[test]
fn nothing_is_read_beyond_a_bound() {
    let chain = chain(10);
    let pack = PackWriter::of(chain[1..].iter().rev()).finish();
    let (old, new) = (chain[0].id, chain[9].id);
    let texts: usize = chain[1..].iter().map(|commit| commit.text.len()).sum();
    let exact = ProofBounds {
        bytes: pack.len() - 20,
        objects: 9,
        commits: 9,
        parents: 9,
        inflated: texts,
        kept: texts,
    };
    let verdict = |bounds| proof_of(&list(&[(old, new)]), bounds, &pack).verdict(0);
    assert_eq!(verdict(exact), Verdict::Proved);
    let less = [
        ProofBounds { bytes: exact.bytes - 1, ..exact },
        ProofBounds { objects: 8, ..exact },
        ProofBounds { commits: 8, ..exact },
        ProofBounds { parents: 8, ..exact },
        ProofBounds { inflated: texts - 1, ..exact },
        ProofBounds { kept: texts - 1, ..exact },
    ];
    for bounds in less {
        assert_eq!(verdict(bounds), not_proved(&[chain[1].id]), "{bounds:?}");
    }
}

#[test]
fn memory_stays_within_its_bound() {
    // Many commits with many parents, that share most of their text.
    let ids: Vec<ObjectId> = (0..10_000u32)
        .map(|number| object_id(FORMAT, "commit", &number.to_be_bytes()).unwrap())
        .collect();
    let mut pack = PackWriter::new();
    let commits: Vec<Commit> =
        ids.chunks(2).map(|parents| commit(parents, &"m".repeat(200))).collect();
    commits.iter().for_each(|commit| {
        pack.object(1, &commit.text);
    });
    let heads: Vec<(ObjectId, ObjectId)> =
        commits.iter().take(64).map(|commit| (commit.id, ids[0])).collect();
    let proof = proof_of(&list(&heads), ProofBounds::default(), &pack.finish());
    assert!(proof.held() > 2 << 20, "{}", proof.held());
    assert!(proof.held() < MAX_PROOF_MEMORY, "{}", proof.held());
}

#[test]
fn a_bomb_ends_at_its_bound() {
    let chain = chain(3);
    let mut pack = PackWriter::new();
    pack.object(3, &vec![0; 20 << 20]);
    commit_all(&mut pack, &chain[1..]);
    let pack = pack.finish();
    assert!(pack.len() < 100_000);
    let list = list(&[(chain[0].id, chain[2].id)]);
    let mut proof = FastForwardProof::new(&list, &[0], ProofBounds::default());
    let (mut rest, mut calls) = (&pack[..], 0);
    while let Progress::Paused { consumed } = proof.read(rest, 64 << 10) {
        rest = &rest[consumed..];
        calls += 1;
    }
    assert!((100..200).contains(&calls), "{calls}");
    assert_eq!(proof.verdict(0), not_proved(&[chain[2].id]));
}

fn commit_all(pack: &mut PackWriter, commits: &[Commit]) {
    commits.iter().rev().for_each(|commit| {
        pack.object(1, &commit.text);
    });
}
