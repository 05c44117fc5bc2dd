use std::path::Path;

use super::*;

fn gone(shared: &SharedDatabase) -> bool {
    let opened = shared.with(|_| Ok(()));
    matches!(opened, Err(StoreError::Unavailable(why)) if why.contains("was deleted or replaced"))
}

/// After a failure of the medium, what has the file's name meanwhile: nothing, another store, a
/// link to one, and the file itself.
#[test]
fn only_the_file_that_was_open_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name);
    let (path, kept, other) = (name("state.redb"), name("kept"), name("other.redb"));
    drop(SharedDatabase::open(&other).unwrap());
    let shared = SharedDatabase::open(&path).unwrap();
    shared.reopen();
    assert!(shared.is_open());
    std::fs::rename(&path, &kept).unwrap();
    let put: [fn(&Path, &Path); 3] = [
        |_, _| {},
        |other, path| assert!(std::fs::copy(other, path).unwrap() > 0),
        |other, path| std::os::unix::fs::symlink(other, path).unwrap(),
    ];
    for put in put {
        put(&other, &path);
        let before = path.symlink_metadata().ok().map(|found| found.len());
        for _ in 0..2 {
            shared.reopen();
            assert!(gone(&shared));
        }
        // Nothing was made there.
        assert_eq!(path.symlink_metadata().ok().map(|found| found.len()), before);
        drop(std::fs::remove_file(&path));
    }
    std::fs::rename(&kept, &path).unwrap();
    shared.reopen();
    assert!(shared.is_open());
}
