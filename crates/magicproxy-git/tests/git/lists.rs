//! Random lists of commands, read here and by `git receive-pack`: whatever list is taken here, git
//! moves the references that were read, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use magicproxy_git::{
    CommandList, CommandListBounds, CommandListReader, ObjectFormat, PushCommand, Reading,
};
use tempfile::TempDir;

use crate::program::{self, run, run_with};
use crate::random::Random;

/// How many lists the ordinary run tries.
const USUAL: u64 = 2_000;
/// An empty pack of each format, which a push of known objects sends.
const EMPTY_PACK: &[u8] = b"PACK\0\0\0\x02\0\0\0\0";

/// A repository of a few commits, and its references.
struct Server {
    folder: TempDir,
    format: ObjectFormat,
    pack: Vec<u8>,
    commits: Vec<String>,
    refs: BTreeMap<String, String>,
}

#[derive(Default)]
struct Counted {
    taken: u64,
    moved: u64,
    refused: u64,
}

#[test]
fn git_moves_the_references_that_were_read() {
    if !program::is_there() {
        return;
    }
    let lists = crate::number("MAGICPROXY_GIT_LISTS", USUAL);
    let halves = [(ObjectFormat::Sha1, 0), (ObjectFormat::Sha1, 1), (ObjectFormat::Sha256, 2)];
    let counted: Vec<Counted> = std::thread::scope(|scope| {
        let runs = halves.map(|(format, offset)| {
            scope.spawn(move || {
                let server = Server::new(format);
                let mut counted = Counted::default();
                for seed in (offset..lists).step_by(3) {
                    server.try_list(seed, &mut counted);
                    if seed % 5_000 == 0 {
                        println!("list {seed} of {lists}");
                    }
                }
                counted
            })
        });
        runs.map(|run| run.join().unwrap()).into()
    });
    let sum = |part: fn(&Counted) -> u64| counted.iter().map(part).sum::<u64>();
    let (taken, moved) = (sum(|c| c.taken), sum(|c| c.moved));
    let refused = sum(|c| c.refused);
    println!(
        "{lists} lists: {taken} taken, by {moved} of which git moved references; {refused} refused"
    );
    // Lists that nobody takes would show nothing.
    assert!(moved > lists / 10, "{moved}");
    assert!(refused > lists / 10, "{refused}");
}

impl Server {
    fn new(format: ObjectFormat) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let object_format = format!("--object-format={}", format.name());
        run(path, &["init", "-q", "--bare", "-b", "main", &object_format, "."]);
        let settings = [
            ["receive.advertisePushOptions", "true"],
            ["receive.certNonceSeed", "seed"],
            ["receive.denyDeleteCurrent", "ignore"],
            ["receive.autogc", "false"],
        ];
        settings.iter().for_each(|[key, value]| drop(run(path, &["config", key, value])));
        let mut stream = String::new();
        for number in 0..3 {
            stream.push_str(&format!(
                "commit refs/heads/main\ncommitter A <a@example.org> {number} +0000\ndata 1\n{number}\n"
            ));
        }
        assert!(run_with(path, &["fast-import", "--quiet"], stream.as_bytes()).status.success());
        let commits =
            run(path, &["rev-list", "main"]).lines().map(str::to_owned).collect::<Vec<_>>();
        let names = ["refs/heads/main", "refs/heads/agent/a", "refs/heads/b", "refs/tags/v1"];
        let refs: Vec<(String, String)> = names
            .iter()
            .enumerate()
            .map(|(number, name)| ((*name).to_owned(), commits[number % 3].clone()))
            .collect();
        let server = Self {
            pack: empty_pack(path),
            folder,
            format,
            commits,
            refs: refs.into_iter().collect(),
        };
        server.restore();
        server
    }

    fn try_list(&self, seed: u64, counted: &mut Counted) {
        let body = self.generate(&mut Random::new(seed));
        let mut reader = CommandListReader::new(CommandListBounds::default());
        // The content of a request is the list and a pack; a list without commands is all of it.
        let (list, length) = match reader.read(&body) {
            Ok(Reading::Whole { list, length }) if !list.is_probe() || length == body.len() => {
                (list, length)
            }
            _ => {
                counted.refused += 1;
                return;
            }
        };
        counted.taken += 1;
        let pushed = [&body[..length], &self.pack].concat();
        let output =
            run_with(self.folder.path(), &["receive-pack", "--stateless-rpc", "."], &pushed);
        let after = self.read_refs();
        self.check(seed, &list, &after, &output.stdout);
        if after != self.refs {
            counted.moved += 1;
            self.restore();
        }
    }

    /// Holds what git did against what was read: each reference is as it was, or as a command says
    /// that names it; and git reports on no other name.
    fn check(
        &self,
        seed: u64,
        list: &CommandList,
        after: &BTreeMap<String, String>,
        report: &[u8],
    ) {
        let mut expected: BTreeMap<&str, (Option<&String>, &PushCommand)> = BTreeMap::new();
        for command in list.commands() {
            let name = command.name().as_str();
            expected.insert(name, (self.refs.get(name), command));
        }
        for name in self.refs.keys().chain(after.keys()) {
            let (before, now) = (self.refs.get(name), after.get(name));
            if before == now {
                continue;
            }
            let Some((_, command)) = expected.get(name.as_str()) else {
                panic!("list {seed}: git moved `{name}`, which was not read");
            };
            let new = command.new_id();
            let said = (!new.is_zero()).then(|| new.to_string());
            assert_eq!(now, said.as_ref(), "list {seed}: `{name}`");
            let old = command.old_id();
            let believed = (!old.is_zero()).then(|| old.to_string());
            assert_eq!(before, believed.as_ref(), "list {seed}: `{name}` was something else");
        }
        for name in reported(report) {
            assert!(expected.contains_key(&*name), "list {seed}: git reports on `{name}`");
        }
    }

    fn generate(&self, random: &mut Random) -> Vec<u8> {
        let mut packets = Vec::new();
        while random.once_in(8) {
            packets.push(format!("shallow {}", random.of(&self.commits)).into_bytes());
        }
        let mut names = BTreeSet::new();
        for _ in 0..=random.below(3) {
            let command = self.command(random);
            let name = command.rsplit(' ').next().unwrap();
            if !names.insert(name.to_owned()) && !random.once_in(20) {
                continue;
            }
            let words = if names.len() == 1 { self.capabilities(random) } else { String::new() };
            packets.push((command + &words).into_bytes());
        }
        let has_options = packets.iter().any(|line| line.windows(12).any(|w| w == b"push-options"));
        if !random.once_in(3) {
            (0..=random.below(2)).for_each(|_| self.mutate(&mut packets, random));
        }
        let mut body = Vec::new();
        for packet in &packets {
            body.extend_from_slice(format!("{:04x}", packet.len() + 4).as_bytes());
            body.extend_from_slice(packet);
        }
        body.extend_from_slice(b"0000");
        if has_options && !random.once_in(8) {
            body.extend_from_slice(b"000bci.skip0000");
        }
        if random.once_in(6) {
            mutate_bytes(&mut body, random);
        }
        body
    }

    fn command(&self, random: &mut Random) -> String {
        let names =
            ["refs/heads/agent/new", "refs/heads/agent/new/x", "refs/stash", "refs/tags/v2"];
        let zero = "0".repeat(self.format.id_digits());
        let known: Vec<(&String, &String)> = self.refs.iter().collect();
        let commit = random.of(&self.commits).clone();
        match random.below(4) {
            0 => format!("{zero} {commit} {}", random.of(&names)),
            1 => {
                let (name, old) = random.of(&known);
                format!("{old} {zero} {name}")
            }
            _ => {
                let (name, old) = random.of(&known);
                format!("{old} {commit} {name}")
            }
        }
    }

    fn capabilities(&self, random: &mut Random) -> String {
        let words =
            ["side-band-64k", "quiet", "atomic", "push-options", "agent=git/2", "delete-refs"];
        let mut chosen = vec!["report-status".to_owned()];
        if self.format == ObjectFormat::Sha256 || random.once_in(2) {
            chosen.push(format!("object-format={}", self.format.name()));
        }
        for word in words {
            if random.once_in(3) {
                chosen.push(word.to_owned());
            }
        }
        format!("\0 {}", chosen.join(" "))
    }

    /// Changes a list as somebody does who looks for two readings of it.
    fn mutate(&self, packets: &mut Vec<Vec<u8>>, random: &mut Random) {
        let place = random.below(packets.len());
        let other = self.command(random).into_bytes();
        let pieces: [&[u8]; 16] = [
            b"\0",
            b"\n",
            b"\t",
            b" ",
            b"\0 push-options",
            b"\0atomic",
            b"\0object-format=sha1",
            b"/",
            b".lock",
            b"..",
            b"\0 side-band-64k",
            b"\0shallow ",
            b"\xc3\xa9",
            b"\xff",
            b"@{",
            b"^",
        ];
        match random.below(10) {
            0 => packets.push(other),
            1 => packets.insert(place, packets[place].clone()),
            2 => drop(packets.remove(place)),
            3 => packets.insert(place, b"push-cert\0report-status".to_vec()),
            4 => {
                packets.insert(place, format!("shallow {}", random.of(&self.commits)).into_bytes())
            }
            5 => packets[place].make_ascii_uppercase(),
            6 => packets[place].push(b'\n'),
            7 => {
                let joined =
                    [&packets[place][..], *random.of(&[&b"\n"[..], b"\0", b" "]), &other].concat();
                packets[place] = joined;
            }
            _ => {
                let at = random.below(packets[place].len().max(1));
                let piece = *random.of(&pieces);
                packets[place].splice(at..at, piece.iter().copied());
            }
        }
        if packets.is_empty() {
            packets.push(self.command(random).into_bytes());
        }
    }

    fn restore(&self) {
        let refs = self.folder.path().join("refs");
        fs::remove_dir_all(&refs).unwrap();
        for (name, id) in &self.refs {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{id}\n")).unwrap();
        }
        drop(fs::remove_file(self.folder.path().join("packed-refs")));
        drop(fs::remove_file(self.folder.path().join("shallow")));
    }

    fn read_refs(&self) -> BTreeMap<String, String> {
        let mut refs = BTreeMap::new();
        let mut folders: Vec<PathBuf> = vec![self.folder.path().join("refs")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.folder.path()).unwrap().to_string_lossy();
                refs.insert(
                    name.into_owned(),
                    fs::read_to_string(&path).unwrap().trim().to_owned(),
                );
            }
        }
        refs
    }
}

fn mutate_bytes(body: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(body.len());
    match random.below(4) {
        0 => body[at] ^= 1 << random.below(8),
        1 => body.truncate(at),
        2 => body.insert(at, *random.of(b"0 \n\0aF")),
        _ => {
            let special = *random.of(&[&b"0001"[..], b"0002", b"0003", b"0004", b"0000"]);
            body.splice(at..at, special.iter().copied());
        }
    }
}

/// An empty pack, with the digest that ends it.
fn empty_pack(repository: &Path) -> Vec<u8> {
    let output = run_with(repository, &["pack-objects", "--stdout", "-q"], b"");
    assert!(output.stdout.starts_with(EMPTY_PACK));
    output.stdout
}

/// The names in a report, in or out of a side band.
fn reported(report: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(report);
    let lines = text.match_indices("ok ").chain(text.match_indices("ng ")).filter(|(at, _)| {
        // The word stands behind the four digits of its packet.
        *at >= 4 && text.as_bytes()[at - 4..*at].iter().all(u8::is_ascii_hexdigit)
    });
    let names = lines.map(|(at, _)| {
        let name = text[at + 3..].split(['\n', ' ']).next().unwrap();
        name.to_owned()
    });
    names.collect()
}
