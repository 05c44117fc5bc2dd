use std::os::unix::fs::PermissionsExt as _;

use super::socket_file::SocketFile;

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
    let (_listener, _new) = SocketFile::bind(&path, 0o660).unwrap();
    // That is not for the old one to take away.
    drop(file);
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    let missing = SocketFile::bind(&folder.path().join("x/s"), 0o660).unwrap_err();
    assert!(missing.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound));
}
