//! The proxy reads the files of its folders, whoever wrote them.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use crate::program::Place;

/// The user and the group of the proxy, who is nobody else.
const PROXY: u32 = 61_234;

/// True if files can be given away here.
fn is_root(place: &Place) -> bool {
    std::fs::metadata(place.path(".")).unwrap().uid() == 0
}

/// All files of a folder, with the folder.
fn all_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.chain([folder.to_owned()]).collect()
}

/// Holds that the folder and all its files are the proxy's.
#[track_caller]
fn all_belong(folder: &Path, after: &[&str]) {
    let others: Vec<_> = all_of(folder)
        .into_iter()
        .map(|path| (std::fs::metadata(&path).unwrap(), path))
        .filter(|(found, _)| (found.uid(), found.gid()) != (PROXY, PROXY))
        .map(|(found, path)| (path, found.uid(), found.gid()))
        .collect();
    assert!(others.is_empty(), "after {after:?}: {others:?}");
}

const WRITERS: &[&[&str]] = &[
    &["keys", "generate", "--keys", "data/keys"],
    &["keys", "rotate", "--key-set", "--keys", "data/keys"],
    &["keys", "rotate", "--retire-after", "30d", "--keys", "data/keys"],
    &["revoke", "--before", "now", "--keys", "data/keys"],
    &["revoke", "jti:a", "--ambiguous-id", "--keys", "data/keys"],
    &["revoke", "--undo", "jti:a", "--keys", "data/keys"],
    &["revoke", "--repair", "--keys", "data/keys"],
];

/// Whatever root writes into a folder of the proxy's is the proxy's.
#[test]
fn root_writes_for_the_proxy() {
    let place = Place::new();
    if !is_root(&place) {
        return;
    }
    place.write("magicproxy.toml", "upstream.api_root = 'http://127.0.0.1:1'\n");
    std::fs::create_dir(place.path("data")).unwrap();
    chown(place.path("data"), Some(PROXY), Some(PROXY)).unwrap();
    for command in WRITERS {
        let output = place.program(command).output();
        assert_eq!(output.code, 0, "{command:?}: {output:?}");
        all_belong(&place.path("data/keys"), command);
    }
    // A file that an older version left to root is the proxy's again.
    chown(place.path("data/keys/revocations.json"), Some(0), Some(0)).unwrap();
    assert_eq!(place.program(WRITERS[3]).output().code, 0);
    all_belong(&place.path("data/keys"), WRITERS[3]);
    // Secrets stay secret.
    for path in all_of(&place.path("data/keys")) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        let public =
            path.extension().is_some_and(|end| end == "cer") || path.ends_with("public.pem");
        assert!(public || mode & 0o077 == 0, "{path:?} {mode:o}");
    }
}

/// A restore opens files by their names, so root does it nowhere where others make names.
#[test]
fn root_restores_nothing_in_a_folder_of_others() {
    let place = Place::new();
    if !is_root(&place) {
        return;
    }
    place.write("magicproxy.toml", "state.path = 'data/state.redb'\nkeys.folder = 'data/keys'\n");
    place.write("b", "no backup");
    std::fs::create_dir(place.path("data")).unwrap();
    chown(place.path("data"), Some(PROXY), Some(PROXY)).unwrap();
    let restored = place.program(&["restore", "b", "--config", "magicproxy.toml"]).output();
    assert_eq!(restored.code, 1, "{restored:?}");
    assert!(restored.stderr.contains(&format!("sudo -u '#{PROXY}'")), "{restored:?}");
    assert!(place.names("data").iter().all(|name| name == "keys"), "{:?}", place.names("data"));
}

/// Where the proxy reads by its group, it reads what is written later, too.
#[test]
fn a_group_that_reads_the_key_reads_what_root_writes_beside() {
    let place = Place::with_keys();
    if !is_root(&place) {
        return;
    }
    place.write("magicproxy.toml", "upstream.api_root = 'http://127.0.0.1:1'\n");
    chown(place.path("keys/private.pem"), Some(0), Some(PROXY)).unwrap();
    place.set_mode("keys/private.pem", 0o640);
    for command in [&["revoke", "--before", "now"][..], &["keys", "rotate"]] {
        assert_eq!(place.program(command).output().code, 0);
    }
    for name in ["private.pem", "revocations.json"] {
        let found = std::fs::metadata(place.path("keys").join(name)).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, PROXY, 0o640), "{name}");
    }
}

/// Somebody who cannot give files away is told before anything is written.
#[test]
fn somebody_else_is_refused() {
    let place = Place::with_keys();
    if !is_root(&place) {
        return;
    }
    place.write("magicproxy.toml", "upstream.api_root = 'http://127.0.0.1:1'\n");
    for path in all_of(&place.path("keys")) {
        chown(path, Some(PROXY), Some(PROXY)).unwrap();
    }
    for name in ["keys", "."] {
        place.set_mode(name, 0o777);
    }
    let before = place.names("keys").len();
    let other = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_magicproxy"));
        command.current_dir(place.path(".")).env_clear().uid(PROXY + 1).gid(PROXY + 1);
        command
    };
    if other().arg("--version").output().is_err() {
        // The program lies where only root can run it.
        return;
    }
    let args = ["revoke", "--before", "now", "--config", "magicproxy.toml"];
    let output = other().args(args).args(["--keys", "keys"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("run the command as that user (`sudo -u '#61234' …`)"), "{said}");
    assert_eq!(place.names("keys").len(), before);
}
