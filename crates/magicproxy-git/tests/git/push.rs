//! Pushes by git itself, and the bytes that it sends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use magicproxy_git::{
    Change, CommandList, CommandListBounds, CommandListReader, FastForwardProof, ObjectFormat,
    ObjectId, Progress, ProofBounds, Reading, Verdict,
};
use tempfile::TempDir;

use crate::program::{command, is_ancestor, run, run_with};

/// A client's repository and the server's, and what the one sends to the other.
pub(crate) struct Pair {
    folder: TempDir,
    pub(crate) client: PathBuf,
    pub(crate) server: PathBuf,
}

/// One update of a push, and what is known of it.
pub(crate) struct Update {
    pub(crate) name: String,
    pub(crate) is_forward: bool,
    pub(crate) verdict: Verdict,
}

impl Pair {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        let folder = TempDir::new().unwrap();
        let format = format!("--object-format={}", format.name());
        let place = |name: &str| {
            let path = folder.path().join(name);
            run(folder.path(), &["init", "-q", "--bare", "-b", "main", &format, name]);
            run(&path, &["config", "gc.auto", "0"]);
            path
        };
        let (client, server) = (place("client"), place("server"));
        run(&server, &["config", "receive.denyDeleteCurrent", "ignore"]);
        run(&client, &["remote", "add", "origin", server.to_str().unwrap()]);
        let script = format!(
            "#!/bin/sh\ntee '{}' | git receive-pack \"$@\"\n",
            folder.path().join("sent").display()
        );
        fs::write(folder.path().join("receive-pack"), script).unwrap();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path().join("receive-pack"), mode).unwrap();
        Self { folder, client, server }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Pushes from a repository, and returns what was sent.
    pub(crate) fn push(&self, from: &Path, arguments: &[&str]) -> Vec<u8> {
        let program =
            format!("--receive-pack={}", self.folder.path().join("receive-pack").display());
        let arguments = [&["push", "-q", &program, "origin"], arguments].concat();
        let output = command(&arguments).current_dir(from).output().unwrap();
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {shown}");
        fs::read(self.folder.path().join("sent")).unwrap()
    }

    /// Reads what was sent, and returns each update with its verdict and what git says of it.
    pub(crate) fn updates(&self, sent: &[u8]) -> Vec<Update> {
        let (list, pack) = read(sent);
        let updates: Vec<usize> = (0..list.commands().len())
            .filter(|place| list.commands()[*place].change() == Change::Update)
            .collect();
        let mut proof = FastForwardProof::new(&list, &updates, ProofBounds::default());
        for mut piece in pack.chunks(10_000) {
            while let Progress::Paused { consumed } = proof.read(piece, 20_000) {
                piece = &piece[consumed..];
            }
        }
        let update = |(number, place): (usize, &usize)| {
            let command = &list.commands()[*place];
            let (old, new) = (command.old_id().to_string(), command.new_id().to_string());
            Update {
                name: command.name().to_string(),
                is_forward: is_ancestor(&self.server, &old, &new),
                verdict: self.checked(command.old_id(), proof.verdict(number)),
            }
        };
        updates.iter().enumerate().map(update).collect()
    }

    /// Returns a verdict, of which a frontier names commits only that are of the server.
    fn checked(&self, old: ObjectId, verdict: Verdict) -> Verdict {
        if let Verdict::NotProved { frontier } = &verdict {
            assert!(!frontier.contains(&old));
            for id in frontier {
                assert_eq!(run(&self.server, &["cat-file", "-t", &id.to_string()]), "commit");
            }
        }
        verdict
    }

    /// True if the server would say that an update is a fast-forward, asked about the frontier.
    pub(crate) fn server_says_yes(&self, old: &str, frontier: &[ObjectId]) -> bool {
        frontier.iter().any(|id| is_ancestor(&self.server, old, &id.to_string()))
    }

    /// Adds commits to a repository by a stream of `git fast-import`.
    pub(crate) fn import(repository: &Path, stream: &str) {
        let output =
            run_with(repository, &["fast-import", "--quiet", "--force"], stream.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Reads the list and returns it with the pack behind it.
pub(crate) fn read(sent: &[u8]) -> (CommandList, &[u8]) {
    let mut reader = CommandListReader::new(CommandListBounds::default());
    match reader.read(sent).unwrap() {
        Reading::Whole { list, length } => (list, &sent[length..]),
        Reading::More => panic!("git sent a part of a list"),
    }
}
