//! Random histories, pushed by git: no update is called a fast-forward that git does not call one,
//! and hardly any ordinary one is not.

use magicproxy_git::{ObjectFormat, Verdict};

use crate::program::{self, run};
use crate::push::{Pair, Update};
use crate::random::Random;

/// How many histories the ordinary run makes.
const USUAL: u64 = 8;
/// How many pushes each has.
const PUSHES: usize = 14;

#[derive(Default)]
struct Counted {
    /// Pushes of new commits onto what the branch was, and those that were not proved.
    ordinary: u32,
    ordinary_unproved: u32,
    /// Other fast-forwards, and those that were not proved: most lead to what the server has.
    forwards: u32,
    forwards_unproved: u32,
    forced: u32,
}

#[test]
fn no_update_is_proved_that_is_none_and_hardly_any_is_not() {
    if !program::is_there() {
        return;
    }
    let histories = crate::number("MAGICPROXY_GIT_HISTORIES", USUAL);
    let halves: [Counted; 2] = std::thread::scope(|scope| {
        let runs = [0, 1].map(|offset| {
            scope.spawn(move || {
                let mut counted = Counted::default();
                for seed in (offset..histories).step_by(2) {
                    History::new(seed).play(&mut counted);
                    println!("history {seed} of {histories}");
                }
                counted
            })
        });
        runs.map(|run| run.join().unwrap())
    });
    let sum = |part: fn(&Counted) -> u32| halves.iter().map(part).sum::<u32>();
    let (ordinary, ordinary_unproved) = (sum(|c| c.ordinary), sum(|c| c.ordinary_unproved));
    let (forwards, forwards_unproved) = (sum(|c| c.forwards), sum(|c| c.forwards_unproved));
    let forced = sum(|c| c.forced);
    println!(
        "{histories} histories: {ordinary} ordinary updates, {ordinary_unproved} not proved; \
         {forwards} other fast-forwards, {forwards_unproved} not proved; {forced} forced ones"
    );
    assert!(ordinary > 40 && forced > 5 && forwards > 2);
    assert!(ordinary_unproved * 100 < ordinary, "{ordinary_unproved} of {ordinary}");
}

struct History {
    pair: Pair,
    random: Random,
    seed: u64,
    /// Branches of the client, with what they are.
    branches: Vec<(String, String)>,
    /// All commits that were ever made.
    commits: Vec<String>,
    clock: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let format = if seed % 4 == 3 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
        let mut history = Self {
            pair: Pair::new(format),
            random: Random::new(seed),
            seed,
            branches: Vec::new(),
            commits: Vec::new(),
            clock: 1_700_000_000,
        };
        for name in ["main", "side"] {
            history.branches.push((name.to_owned(), String::new()));
            let place = history.branches.len() - 1;
            history.add(place, 3, None);
            history.pair.push(&history.pair.client, &[name]);
        }
        history
    }

    fn play(mut self, counted: &mut Counted) {
        for _ in 0..PUSHES {
            let place = self.random.below(self.branches.len());
            let name = self.branches[place].0.clone();
            let (arguments, is_ordinary) = match self.random.below(12) {
                0..=3 => {
                    let length = *self.random.of(&[1, 1, 2, 5, 20, 300]);
                    self.add(place, length, None);
                    (vec![name], true)
                }
                4 | 5 => {
                    let other = self.random.of(&self.branches).1.clone();
                    self.add(place, 1, Some(other));
                    (vec![name], true)
                }
                6 => {
                    self.add(0, 2, None);
                    self.add(1, 1, None);
                    self.tag();
                    (vec!["main".to_owned(), "side".to_owned(), "--tags".to_owned()], true)
                }
                7 => {
                    let new = format!("b{}", self.branches.len());
                    self.branches.push((new.clone(), self.random.of(&self.commits).clone()));
                    self.add(self.branches.len() - 1, 1, None);
                    (vec![new], true)
                }
                8 => {
                    run(&self.pair.client, &["repack", "-a", "-d", "-f", "-q", "--depth=50"]);
                    self.add(place, 3, None);
                    (vec![name], true)
                }
                9 => {
                    self.branches[place].1 = self.random.of(&self.commits).clone();
                    self.add(place, 1, None);
                    (vec![format!("+{name}")], false)
                }
                _ => {
                    let commit = self.random.of(&self.commits).clone();
                    self.move_to(place, &commit);
                    (vec![format!("+{name}")], false)
                }
            };
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let before =
                run(&self.pair.server, &["for-each-ref", "--format=%(refname) %(objectname)"]);
            let sent = self.pair.push(&self.pair.client, &arguments);
            for update in self.pair.updates(&sent) {
                self.judge(&update, &before, is_ordinary, counted);
            }
        }
    }

    fn judge(&self, update: &Update, before: &str, is_ordinary: bool, counted: &mut Counted) {
        let is_proved = update.verdict == Verdict::Proved;
        let what = format!("history {}: {}", self.seed, update.name);
        if !update.is_forward {
            counted.forced += 1;
            assert!(!is_proved, "{what} is proved and is none");
        } else if is_ordinary {
            counted.ordinary += 1;
            counted.ordinary_unproved += u32::from(!is_proved);
        } else {
            counted.forwards += 1;
            counted.forwards_unproved += u32::from(!is_proved);
        }
        if let Verdict::NotProved { frontier } = &update.verdict {
            // Whoever asks the server about the frontier learns the truth.
            let line = before.lines().find(|line| line.starts_with(&format!("{} ", update.name)));
            let old = line.unwrap().split(' ').nth(1).unwrap();
            assert_eq!(self.pair.server_says_yes(old, frontier), update.is_forward, "{what}");
        }
    }

    /// Adds commits to a branch, the first of them a merge if another commit is given.
    fn add(&mut self, place: usize, length: usize, merge: Option<String>) {
        let (name, tip) = self.branches[place].clone();
        let mut stream = String::new();
        for number in 0..length {
            self.clock += 60;
            let clock = self.clock;
            let message = format!(
                "commit {clock} of {name}\n\n{}",
                "as before\n".repeat(self.random.below(9))
            );
            let file = format!("{clock} {}\n", self.random.next());
            stream.push_str(&format!(
                "commit refs/heads/{name}\nauthor A <a@example.org> {clock} +0000\n"
            ));
            stream.push_str(&format!(
                "committer A <a@example.org> {clock} +0000\ndata {}\n{message}",
                message.len()
            ));
            if number == 0 && !tip.is_empty() {
                stream.push_str(&format!("from {tip}\n"));
                if let Some(other) = merge.as_ref().filter(|other| **other != tip) {
                    stream.push_str(&format!("merge {other}\n"));
                }
            }
            let path = self.random.below(20);
            stream.push_str(&format!("M 100644 inline f{path}\ndata {}\n{file}\n", file.len()));
        }
        Pair::import(&self.pair.client, &stream);
        let range = format!("{name}~{length}..{name}");
        let range = if tip.is_empty() { name.clone() } else { range };
        let made = run(&self.pair.client, &["rev-list", "--first-parent", &range]);
        self.branches[place].1 = made.lines().next().unwrap().to_owned();
        self.commits.extend(made.lines().map(str::to_owned));
    }

    fn move_to(&mut self, place: usize, commit: &str) {
        let name = format!("refs/heads/{}", self.branches[place].0);
        run(&self.pair.client, &["update-ref", &name, commit]);
        self.branches[place].1 = commit.to_owned();
    }

    fn tag(&mut self) {
        let (name, commit) = (format!("v{}", self.clock), self.branches[0].1.clone());
        let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        let arguments = [&identity[..], &["tag", "-a", "-m", "a tag", &name, &commit]].concat();
        run(&self.pair.client, &arguments);
    }
}
