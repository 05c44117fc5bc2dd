//! Fuzzes heads of packs: verdicts are the same in any pieces and with any budget, memory stays
//! below its bound, and nothing is proved that a reader of the same commits does not find.
//!
//! Input: the length of the pieces, a budget, and pieces of a pack, each with a kind: a commit whose
//! parents are named by numbers, or bytes as they are.
#![no_main]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use libfuzzer_sys::fuzz_target;
use magicproxy_git::{
    CommandList, FastForwardProof, MAX_PROOF_MEMORY, ObjectFormat, ObjectId, Progress, ProofBounds,
    PushCommand, RefName, Verdict,
};
use sha1_checked::{Digest as _, Sha1};

fuzz_target!(|data: &[u8]| {
    let [size, budget, data @ ..] = data else { return };
    let history = History::new(data);
    let (Some(old), Some(new)) = (history.ids.first(), history.ids.last()) else { return };
    let list = list(*old, *new);
    let bounds = ProofBounds::default();
    let verdict = verdict(&list, bounds, &history.pack, (history.pack.len() + 1, 1 << 20));
    let sliced = self::verdict(
        &list,
        bounds,
        &history.pack,
        (usize::from(*size) + 1, usize::from(*budget) + 1),
    );
    assert_eq!(verdict, sliced, "pieces or budgets make a difference");
    let last = history.ids.len() - 1;
    if verdict == Verdict::Proved {
        assert!(history.leads(last, 0), "what is no ancestor is proved");
    } else if history.is_plain {
        assert!(!history.leads(last, 0), "an ancestor is not found");
    }
});

/// A pack, and the commits that were put into it.
struct History {
    pack: Vec<u8>,
    ids: Vec<ObjectId>,
    parents: Vec<Vec<usize>>,
    /// True if there is nothing in the pack but commits.
    is_plain: bool,
}

impl History {
    fn new(data: &[u8]) -> Self {
        let mut history = Self {
            pack: b"PACK\0\0\0\x02\0\0\0\x40".to_vec(),
            ids: Vec::new(),
            parents: Vec::new(),
            is_plain: true,
        };
        for part in data.chunks(6).take(64) {
            let [kind, rest @ ..] = part else { continue };
            match kind % 4 {
                0 => {
                    history.is_plain = false;
                    history.pack.extend_from_slice(rest);
                }
                _ => history.commit(*kind, rest),
            }
        }
        history
    }

    /// Adds a commit; its parents are earlier ones, so many commits back.
    fn commit(&mut self, kind: u8, back: &[u8]) {
        let parents = back.iter().take(usize::from(kind % 4) - 1);
        let parents =
            parents.filter_map(|back| self.ids.len().checked_sub(usize::from(*back % 8) + 1));
        let parents: Vec<usize> = parents.collect();
        let mut text = format!("tree {}\n", "4".repeat(40));
        for parent in &parents {
            text.push_str(&format!("parent {}\n", self.ids[*parent]));
        }
        text.push_str(&format!("author A <> {} +0000\ncommitter A <> 1 +0000\n\n", self.ids.len()));
        let digest = Sha1::digest(format!("commit {}\0{text}", text.len()));
        let id = ObjectId::from_bytes(ObjectFormat::Sha1, &digest).expect("twenty bytes are an id");
        self.ids.push(id);
        self.parents.push(parents);
        let size = text.len();
        let head = [0x90 | (size & 15) as u8, 0x80 | (size >> 4 & 0x7f) as u8, (size >> 11) as u8];
        self.pack.extend_from_slice(&head);
        let mut encoder = ZlibEncoder::new(&mut self.pack, Compression::fast());
        encoder.write_all(text.as_bytes()).expect("a vector takes bytes");
        encoder.finish().expect("a vector takes bytes");
    }

    fn leads(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![false; self.ids.len()];
        let mut open = vec![from];
        while let Some(commit) = open.pop() {
            if !std::mem::replace(&mut seen[commit], true) {
                open.extend(&self.parents[commit]);
            }
        }
        seen[to]
    }
}

fn list(old: ObjectId, new: ObjectId) -> CommandList {
    let name = RefName::parse(b"refs/heads/main").expect("this is a name");
    let command = PushCommand::new(old, new, name).expect("both ids are of objects");
    CommandList::of(vec![command], Vec::new()).expect("one command is a list")
}

fn verdict(
    list: &CommandList,
    bounds: ProofBounds,
    pack: &[u8],
    (size, budget): (usize, usize),
) -> Verdict {
    let mut proof = FastForwardProof::new(list, &[0], bounds);
    for mut piece in pack.chunks(size) {
        while let Progress::Paused { consumed } = proof.read(piece, budget) {
            piece = &piece[consumed..];
        }
        assert!(proof.held() <= MAX_PROOF_MEMORY);
    }
    proof.verdict(0)
}
