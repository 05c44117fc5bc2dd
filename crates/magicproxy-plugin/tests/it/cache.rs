//! What was compiled is kept, is used again, and is nobody else's.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use magicproxy_core::plugin::{PluginName, Verdict};
use magicproxy_plugin::{Host, HostSettings, PluginSettings};
use tempfile::TempDir;

use crate::guests::{ALLOW, Parts, component, request, run, scope};

struct Kept {
    folder: TempDir,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("guest.wasm"),
            component(&Parts { decide: ALLOW, ..Parts::default() }),
        )
        .unwrap();
        Self { folder }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("compiled")
    }

    /// Loads the plugin, and sees that it does what its source says, whatever is in the cache.
    #[track_caller]
    fn load(&self) {
        let name = PluginName::parse("guest").unwrap();
        let plugin = PluginSettings::new(name.clone(), self.folder.path().join("guest.wasm"));
        let settings =
            HostSettings { plugins: vec![plugin], cache: Some(self.cache()), state: None };
        let host = Host::new(settings).unwrap();
        assert_eq!(
            run(host.ask(&name, &request("GET", "/"), scope("one"))).outcome,
            Ok(Verdict::Allow)
        );
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_kept_and_used_again() {
    let kept = Kept::new();
    kept.load();
    let files = kept.files();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!((mode(&kept.cache()), mode(&files[0])), (0o700, 0o600));
    let written = fs::metadata(&files[0]).unwrap().modified().unwrap();
    kept.load();
    // Nothing new had to be compiled, so nothing was written.
    assert_eq!(fs::metadata(&files[0]).unwrap().modified().unwrap(), written);
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let kept = Kept::new();
    fs::create_dir(kept.cache()).unwrap();
    fs::set_permissions(kept.cache(), Permissions::from_mode(0o770)).unwrap();
    kept.load();
    assert!(kept.files().is_empty());

    let kept = Kept::new();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), kept.cache()).unwrap();
    kept.load();
    assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none());
}

#[test]
fn what_others_could_have_written_is_not_run() {
    let kept = Kept::new();
    kept.load();
    let file = kept.files().remove(0);
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    kept.load();
    // It was written anew.
    assert_eq!(mode(&file), 0o600);

    let elsewhere = kept.folder.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    kept.load();
    assert!(fs::symlink_metadata(&file).unwrap().is_file());

    fs::remove_file(&file).unwrap();
    fs::hard_link(&elsewhere, &file).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    kept.load();
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn what_is_damaged_is_compiled_again() {
    let kept = Kept::new();
    kept.load();
    let file = kept.files().remove(0);
    let whole = fs::read(&file).unwrap();
    for at in [0, 30, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&file, &damaged).unwrap();
        kept.load();
        assert_ne!(fs::read(&file).unwrap(), damaged);
    }
    for length in [0, 1, 40, whole.len() - 1] {
        fs::write(&file, &whole[..length]).unwrap();
        kept.load();
    }
}

#[test]
fn a_temporary_file_that_is_a_link_is_not_written_through() {
    let kept = Kept::new();
    kept.load();
    let file = kept.files().remove(0);
    let victim = kept.folder.path().join("victim");
    fs::write(&victim, b"precious").unwrap();
    symlink(&victim, file.with_extension(format!("{}.tmp", std::process::id()))).unwrap();
    fs::remove_file(&file).unwrap();
    kept.load();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}
