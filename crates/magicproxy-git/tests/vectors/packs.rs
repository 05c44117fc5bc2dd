//! Verdicts on updates, from packs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use magicproxy_git::{
    CommandListBounds, CommandListReader, FastForwardProof, Progress, ProofBounds, Reading, Verdict,
};
use serde::Deserialize;

use super::vectors;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackCase {
    name: String,
    object_format: String,
    updates: Vec<(String, String)>,
    shallow: Vec<String>,
    pack: String,
    verdicts: Vec<Expected>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Proved,
    Frontier(Vec<String>),
    CannotTell,
}

/// Writes the list of the case.
fn list(case: &PackCase) -> Vec<u8> {
    let packet = |data: String| format!("{:04x}{data}", data.len() + 4);
    let mut body: String = case.shallow.iter().map(|id| packet(format!("shallow {id}"))).collect();
    for (number, (old, new)) in case.updates.iter().enumerate() {
        let words = match number {
            0 => format!("\0object-format={}", case.object_format),
            _ => String::new(),
        };
        body.push_str(&packet(format!("{old} {new} refs/heads/{number}{words}")));
    }
    body.push_str("0000");
    body.into_bytes()
}

fn verdicts(case: &PackCase, piece: usize, budget: usize) -> Vec<Expected> {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    let Ok(Reading::Whole { list, .. }) = reader.read(&list(case)) else {
        panic!("{}: the list is not read", case.name);
    };
    let commands: Vec<usize> = (0..list.commands().len()).collect();
    let mut proof = FastForwardProof::new(&list, &commands, ProofBounds::default());
    let pack = STANDARD.decode(&case.pack).unwrap();
    for mut piece in pack.chunks(piece) {
        while let Progress::Paused { consumed } = proof.read(piece, budget) {
            piece = &piece[consumed..];
        }
    }
    let verdicts = commands.iter().map(|place| match proof.verdict(*place) {
        Verdict::Proved => Expected::Proved,
        Verdict::CannotTell => Expected::CannotTell,
        Verdict::NotProved { frontier } => {
            let mut frontier: Vec<String> = frontier.iter().map(ToString::to_string).collect();
            frontier.sort();
            Expected::Frontier(frontier)
        }
    });
    verdicts.collect()
}

#[test]
fn packs() {
    for mut case in vectors::<PackCase>("packs") {
        for verdict in &mut case.verdicts {
            if let Expected::Frontier(frontier) = verdict {
                frontier.sort();
            }
        }
        for (piece, budget) in [(1 << 20, 1 << 20), (1, 1 << 20), (1 << 20, 1), (11, 50)] {
            assert_eq!(verdicts(&case, piece, budget), case.verdicts, "{}", case.name);
        }
    }
}
