//! Checks of the owner and mode of files that decide where tokens and credentials go, as ssh checks
//! key files.

use std::path::Path;

/// Returns the fault of a file that every user of the machine may write.
pub fn writable_by_everybody(path: &Path) -> Option<String> {
    let mode = mode(path)?;
    (mode & 0o002 != 0).then(|| {
        format!("`{}`: everybody on this machine may write it (mode {mode:04o})", path.display())
    })
}

/// Returns the command that mends the fault.
pub fn remedy(path: &Path) -> String {
    format!("chmod o-w '{}'", path.display())
}

/// Returns a warning if the file belongs to a user other than the current user and root.
#[cfg(unix)]
pub fn of_another(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = std::fs::metadata(path).ok()?.uid();
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&owner);
    (!ours).then(|| {
        format!("`{}` belongs to another user (uid {owner}), who may change it", path.display())
    })
}

#[cfg(not(unix))]
pub fn of_another(_: &Path) -> Option<String> {
    None
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}
