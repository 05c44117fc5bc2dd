//! Names of objects, computed from their bytes.

use aws_lc_rs::digest::{Context, SHA256};
use sha1_checked::{Digest as _, Sha1};

use crate::object_id::{ObjectFormat, ObjectId};

/// Returns the id of an object of this kind with this content. `None` if the content carries the mark
/// of an attack on SHA-1, by which two objects can be made that have the same id: git refuses it, too.
pub(crate) fn object_id(format: ObjectFormat, kind: &str, content: &[u8]) -> Option<ObjectId> {
    let head = format!("{kind} {}\0", content.len());
    match format {
        ObjectFormat::Sha1 => ObjectId::from_bytes(format, &sha1(&[head.as_bytes(), content])?),
        ObjectFormat::Sha256 => {
            let mut hash = Context::new(&SHA256);
            hash.update(head.as_bytes());
            hash.update(content);
            ObjectId::from_bytes(format, hash.finish().as_ref())
        }
    }
}

/// Returns the SHA-1 of parts one behind another, but where they carry the mark of an attack.
fn sha1(parts: &[&[u8]]) -> Option<[u8; 20]> {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    let result = hash.try_finalize();
    (!result.has_collision()).then(|| (*result.hash()).into())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::{object_id, sha1};
    use crate::object_id::ObjectFormat;

    #[test]
    fn ids_are_those_of_git() {
        let id = |format, kind| object_id(format, kind, b"").unwrap().to_string();
        assert_eq!(id(ObjectFormat::Sha1, "tree"), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
        assert_eq!(
            id(ObjectFormat::Sha256, "tree"),
            "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
        );
    }

    #[test]
    fn a_collision_of_sha_1_is_found() {
        let path = "/../../testdata/vectors/standard/sha-1-collision.json";
        let text = std::fs::read(format!("{}{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        for message in file["messages"].as_array().unwrap() {
            let mut message = HEXLOWER.decode(message.as_str().unwrap().as_bytes()).unwrap();
            assert_eq!(sha1(&[&message]), None);
            message[600] ^= 1;
            assert!(sha1(&[&message]).is_some());
        }
    }
}
