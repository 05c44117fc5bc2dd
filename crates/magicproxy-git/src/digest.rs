//! Names of objects, computed from their bytes.

use aws_lc_rs::digest::{Context, SHA256};
use sha1_checked::{Digest as _, Sha1};

use crate::object_id::{ObjectFormat, ObjectId};

/// Returns the id of an object of this kind with this content. `None` if the content carries the mark
/// of an attack on SHA-1, by which two objects can be made that have the same id: git refuses it, too.
pub(crate) fn object_id(format: ObjectFormat, kind: &str, content: &[u8]) -> Option<ObjectId> {
    let head = format!("{kind} {}\0", content.len());
    match format {
        ObjectFormat::Sha1 => {
            // Detects collisions, where the usual implementation computes them.
            let mut hash = Sha1::new();
            hash.update(head.as_bytes());
            hash.update(content);
            let result = hash.try_finalize();
            let digest = (!result.has_collision()).then_some(result.hash())?;
            ObjectId::from_bytes(format, digest)
        }
        ObjectFormat::Sha256 => {
            let mut hash = Context::new(&SHA256);
            hash.update(head.as_bytes());
            hash.update(content);
            ObjectId::from_bytes(format, hash.finish().as_ref())
        }
    }
}
