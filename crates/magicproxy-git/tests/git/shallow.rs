//! Pushes from shallow and partial clones.

use magicproxy_git::{ObjectFormat, Verdict};

use crate::program::{self, run};
use crate::push::{Pair, read};

/// A server with a branch of so many commits, made by a client that is of no further use.
fn served(commits: u32) -> Pair {
    let pair = Pair::new(ObjectFormat::Sha1);
    let mut stream = String::new();
    for number in 0..commits {
        stream.push_str(&commit(number, ""));
    }
    Pair::import(&pair.client, &stream);
    pair.push(&pair.client, &["main"]);
    run(&pair.server, &["config", "uploadpack.allowFilter", "true"]);
    pair
}

fn commit(number: u32, from: &str) -> String {
    format!(
        "commit refs/heads/main\ncommitter A <a@example.org> {} +0000\ndata 2\n{}\n{from}\
         M 100644 inline f{number}\ndata 1\nx\n",
        1_700_000_000 + number,
        number % 10
    )
}

/// Clones with these arguments, adds commits, pushes, and returns the verdict on the one update.
fn verdict(pair: &Pair, arguments: &[&str], added: u32) -> (Verdict, usize) {
    let url = format!("file://{}", pair.server.display());
    let arguments = [&["clone", "-q", "--bare"], arguments, &[&url, "work"]].concat();
    run(pair.folder(), &arguments);
    let work = pair.folder().join("work");
    run(&work, &["config", "remote.origin.url", pair.server.to_str().unwrap()]);
    let tip = run(&work, &["rev-parse", "main"]);
    let stream: String = (0..added)
        .map(|number| {
            let from = if number == 0 { format!("from {tip}\n") } else { String::new() };
            commit(100 + number, &from)
        })
        .collect();
    Pair::import(&work, &stream);
    let sent = pair.push(&work, &["main"]);
    let shallow = read(&sent).0.shallow().len();
    let updates = pair.updates(&sent);
    assert!(updates.len() == 1 && updates[0].is_forward);
    (updates.into_iter().next().unwrap().verdict, shallow)
}

#[test]
fn pushes_from_shallow_clones_are_proved() {
    if !program::is_there() {
        return;
    }
    for depth in ["--depth=1", "--depth=3"] {
        assert_eq!(verdict(&served(9), &[depth], 4), (Verdict::Proved, 1), "{depth}");
    }
}

#[test]
fn pushes_from_partial_clones_are_proved() {
    if !program::is_there() {
        return;
    }
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        assert_eq!(verdict(&served(9), &[filter], 4), (Verdict::Proved, 0), "{filter}");
    }
}
