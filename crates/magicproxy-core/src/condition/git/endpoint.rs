//! The endpoints of a repository, by the end of a path. `git.md` section 2.

/// An endpoint of git or of Git LFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    InfoRefs,
    ReceivePack,
    UploadPack,
    Batch,
    /// An object of LFS that is sent down.
    Object,
    /// An object of LFS that is sent up, with its size.
    SizedObject,
    Verify,
    Locks,
    LocksVerify,
    Unlock,
}

/// The beginnings of all endpoints, as segments of a path.
const BEGINNINGS: [&str; 5] =
    ["/info/refs/", "/git-receive-pack/", "/git-upload-pack/", "/info/lfs/", "/gitlab-lfs/"];
/// The digits of the id of an object of LFS.
const OID_DIGITS: usize = 64;
/// The most digits of a size.
const SIZE_DIGITS: usize = 20;

impl Endpoint {
    /// Finds the endpoint at the end of a path. `None` where there is none, and where an endpoint is
    /// within the path as well: readers could differ about where the repository ends.
    pub(super) fn of(path: &str) -> Option<Self> {
        let (repository, endpoint) = Self::split(path)?;
        let within = format!("{repository}/");
        let is_alone = BEGINNINGS.iter().all(|beginning| !within.contains(beginning));
        is_alone.then_some(endpoint)
    }

    fn split(path: &str) -> Option<(&str, Self)> {
        for (end, endpoint) in [
            ("/info/refs", Self::InfoRefs),
            ("/git-receive-pack", Self::ReceivePack),
            ("/git-upload-pack", Self::UploadPack),
        ] {
            if let Some(repository) = path.strip_suffix(end) {
                return Some((repository, endpoint));
            }
        }
        let (repository, rest) = match path.rsplit_once("/info/lfs/") {
            Some((repository, rest)) => (repository, Self::of_lfs(rest)?),
            None => {
                let (repository, rest) = path.rsplit_once("/gitlab-lfs/")?;
                (repository, Self::of_objects(rest)?)
            }
        };
        Some((repository, rest))
    }

    fn of_lfs(rest: &str) -> Option<Self> {
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            ["objects", "batch"] => Some(Self::Batch),
            ["verify"] => Some(Self::Verify),
            ["locks"] => Some(Self::Locks),
            ["locks", "verify"] => Some(Self::LocksVerify),
            ["locks", id, "unlock"] if !id.is_empty() => Some(Self::Unlock),
            _ => Self::of_objects(rest),
        }
    }

    fn of_objects(rest: &str) -> Option<Self> {
        let is_oid = |text: &str| {
            text.len() == OID_DIGITS
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_size = |text: &str| {
            (1..=SIZE_DIGITS).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let segments: Vec<&str> = rest.split('/').collect();
        match segments.as_slice() {
            ["objects", oid] if is_oid(oid) => Some(Self::Object),
            ["objects", oid, size] if is_oid(oid) && is_size(size) => Some(Self::SizedObject),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn an_endpoint_ends_the_path() {
        let oid = "0123456789abcdef".repeat(4);
        for (path, endpoint) in [
            ("/a/b/info/refs", Some(Endpoint::InfoRefs)),
            ("/a/b.git/git-receive-pack", Some(Endpoint::ReceivePack)),
            ("/a/b/git-upload-pack", Some(Endpoint::UploadPack)),
            ("/a/info/lfs/objects/batch", Some(Endpoint::Batch)),
            (&format!("/a/info/lfs/objects/{oid}"), Some(Endpoint::Object)),
            (&format!("/a/gitlab-lfs/objects/{oid}/12"), Some(Endpoint::SizedObject)),
            ("/a/info/lfs/verify", Some(Endpoint::Verify)),
            ("/a/info/lfs/locks", Some(Endpoint::Locks)),
            ("/a/info/lfs/locks/verify", Some(Endpoint::LocksVerify)),
            ("/a/info/lfs/locks/1/unlock", Some(Endpoint::Unlock)),
            ("/a/infox/refs", None),
            ("/a/xgit-receive-pack", None),
            ("/a/git-receive-pack/", None),
            ("/a/info/refs/x", None),
            ("/a/info/lfs/objects", None),
            ("/a/info/lfs/locks//unlock", None),
            ("/a/gitlab-lfs/locks", None),
            ("/a/gitlab-lfs/objects/batch", None),
            (&format!("/a/info/lfs/objects/{oid}/"), None),
            (&format!("/a/info/lfs/objects/{oid}/x"), None),
            (&format!("/a/info/lfs/objects/{oid}/{}", "1".repeat(21)), None),
            (&format!("/a/info/lfs/objects/{}", oid.to_uppercase()), None),
            // An endpoint within the repository.
            ("/a/git-receive-pack/git-receive-pack", None),
            ("/a/info/refs/b/git-receive-pack", None),
            ("/a/info/lfs/b/info/lfs/locks", None),
            ("/a/gitlab-lfs/b/info/refs", None),
            ("/a/info/lfs/info/refs", None),
            ("/a/info/lfs-tools/info/refs", Some(Endpoint::InfoRefs)),
        ] {
            assert_eq!(Endpoint::of(path), endpoint, "{path}");
        }
    }
}
