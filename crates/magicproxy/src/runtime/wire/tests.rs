use std::os::unix::fs::PermissionsExt as _;

use super::socket_file::SocketFile;
#[cfg(target_os = "linux")]
use super::socket_file::set_mode;

#[tokio::test]
async fn a_socket_has_its_mode_and_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for expected in [0o660, 0o600, 0o666] {
        let (_listener, file) = SocketFile::bind(&path, expected).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, expected);
        drop(file);
        assert!(!path.exists());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing else is left");
}

/// A process that another test starts has a copy of every socket until it runs its program, and keeps them alive so long.
fn once_dead(path: &std::path::Path) -> anyhow::Result<(tokio::net::UnixListener, SocketFile)> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let bound = SocketFile::bind(path, 0o660);
        let held = bound.as_ref().is_err_and(|error| error.to_string().contains("another program"));
        if !held || std::time::Instant::now() >= deadline {
            return bound;
        }
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn only_a_dead_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let refused = |part: &str| {
        let error = SocketFile::bind(&path, 0o660).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    std::fs::write(&path, "mine").unwrap();
    refused("no socket");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    refused("no socket");
    std::fs::remove_file(&path).unwrap();
    let (listener, file) = SocketFile::bind(&path, 0o660).unwrap();
    refused("another program listens");
    drop(listener);
    let (_listener, _new) = once_dead(&path).unwrap();
    // That is not for the old one to take away.
    drop(file);
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    let missing = SocketFile::bind(&folder.path().join("x/s"), 0o660).unwrap_err();
    assert!(
        missing
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    );
}

/// Files that somebody puts in the place of the socket between the look at it and the change of its
/// mode: they keep theirs.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_other_file_gets_the_mode_of_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (path, victim) = (folder.path().join("s"), folder.path().join("victim"));
    let (_listener, file) = SocketFile::bind(&path, 0o600).unwrap();
    let identity = file.identity();
    std::fs::write(&victim, "").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o640)).unwrap();
    let own = folder.path().join("own");
    std::fs::rename(&path, &own).unwrap();
    let put: [fn(&std::path::Path, &std::path::Path); 2] = [
        |victim, path| std::os::unix::fs::symlink(victim, path).unwrap(),
        |victim, path| std::fs::hard_link(victim, path).unwrap(),
    ];
    for put in put {
        put(&victim, &path);
        assert!(set_mode(&path, identity, 0o666).is_err());
        assert_eq!(std::fs::metadata(&victim).unwrap().permissions().mode() & 0o777, 0o640);
        std::fs::remove_file(&path).unwrap();
    }
    // A link to the socket itself is no socket either.
    std::os::unix::fs::symlink(&own, &path).unwrap();
    assert!(set_mode(&path, identity, 0o666).is_err());
    std::fs::rename(&own, &path).unwrap();
    set_mode(&path, identity, 0o666).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
}
