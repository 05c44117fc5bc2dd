//! The text of a commit.

use crate::object_id::{ObjectFormat, ObjectId};

/// The most parents of a commit that is read: no merge that a person made has as many.
const MAX_PARENTS: usize = 128;

/// Returns the parents of a commit: `None` if its head is not as git writes it.
///
/// ```text
/// "tree " ID LF  *( "parent " ID LF )  "author " … LF  "committer " …
/// ```
///
/// Readers differ in what they make of a `parent` line elsewhere. Behind the author there is none
/// for any of them; before the tree, or behind a line that is unknown, there is none here.
pub(super) fn parents(format: ObjectFormat, text: &[u8]) -> Option<Vec<ObjectId>> {
    let (_, mut rest) = id_line(format, b"tree ", text)?;
    let mut parents = Vec::new();
    while let Some((parent, behind)) = id_line(format, b"parent ", rest) {
        if parents.len() == MAX_PARENTS {
            return None;
        }
        parents.push(parent);
        rest = behind;
    }
    let author = rest.strip_prefix(b"author ")?;
    let end = author.iter().position(|byte| *byte == b'\n')?;
    let is_right = author.get(end + 1..)?.starts_with(b"committer ");
    is_right.then_some(parents)
}

/// Reads one line of a name and an id.
fn id_line<'a>(format: ObjectFormat, name: &[u8], text: &'a [u8]) -> Option<(ObjectId, &'a [u8])> {
    let (digits, rest) = text.strip_prefix(name)?.split_at_checked(format.id_digits())?;
    Some((ObjectId::parse(format, digits).ok()?, rest.strip_prefix(b"\n")?))
}

#[cfg(test)]
mod tests {
    use super::parents;
    use crate::object_id::ObjectFormat;

    const TREE: &str = "tree 1111111111111111111111111111111111111111\n";
    const ONE: &str = "parent 2222222222222222222222222222222222222222\n";
    const TWO: &str = "parent 3333333333333333333333333333333333333333\n";
    const END: &str = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nmessage\n";

    #[track_caller]
    fn check(parts: &[&str], expected: Option<usize>) {
        let text = parts.concat();
        let found = parents(ObjectFormat::Sha1, text.as_bytes());
        assert_eq!(found.map(|parents| parents.len()), expected, "{text}");
    }

    #[test]
    fn parents_stand_between_tree_and_author() {
        check(&[TREE, END], Some(0));
        check(&[TREE, ONE, END], Some(1));
        check(&[TREE, ONE, TWO, END], Some(2));
        check(&[TREE, ONE, &END.replace("\n\n", "\nparent x\n\n")], Some(1));
        check(&[TREE, &ONE.repeat(128), END], Some(128));
        check(&[TREE, &ONE.repeat(129), END], None);
    }

    #[test]
    fn a_head_that_git_does_not_write_is_not_read() {
        check(&[ONE, TREE, END], None);
        check(&[TREE, TREE, END], None);
        check(&[TREE, ONE, "encoding x\n", TWO, END], None);
        check(&[TREE, &ONE.to_uppercase(), END], None);
        check(&[TREE, &ONE.replace('2', "A"), END], None);
        check(&[TREE, &ONE.replace("2\n", "2 \n"), END], None);
        check(&[TREE, &ONE.replace(" 2", "  2"), END], None);
        check(&[TREE, &ONE.replace("2\n", "2\r\n"), END], None);
        check(&[TREE, ONE, &END.replace("author", "writer")], None);
        check(&[TREE, ONE], None);
        check(&[TREE, ONE, "author A <a@b> 1 +0000\n"], None);
        check(&[TREE, ONE, "committer A <a@b> 1 +0000\n"], None);
        check(&[&TREE.replace("1111\n", "1111"), ONE, END], None);
        check(&[&TREE.replace('1', "11"), ONE, END], None);
        check(&[], None);
    }
}
