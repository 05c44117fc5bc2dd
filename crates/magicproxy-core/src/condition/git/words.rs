//! A push in words, for whoever asks what would be decided on one. `upstreams.md` section 10.

use magicproxy_git::{
    CommandList, CommandListFault, ObjectFormat, ObjectId, ParseRefNameError, PushCommand, RefName,
};

use super::push::Push;

/// The reasons why words describe no push.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushWordsFault {
    /// A word that names no reference.
    #[error(
        "expected a reference such as `refs/heads/main`, `create:`, `delete:` or `force:` with one, or `option:` with a push option"
    )]
    Word(#[source] ParseRefNameError),
    /// Words that make no list of commands.
    #[error(transparent)]
    List(#[from] CommandListFault),
}

impl Push {
    /// Makes a push of words: `REF` for a fast-forward, `create:REF`, `delete:REF`, `force:REF` for
    /// any other update, and `option:TEXT` for a push option.
    ///
    /// # Errors
    /// [`PushWordsFault`].
    pub fn of_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, PushWordsFault> {
        let (mut commands, mut options, mut forward) = (Vec::new(), Vec::new(), Vec::new());
        let [none, old, new] = [0x00, 0x11, 0x22].map(example_id);
        for word in words {
            let (kind, name) = word.split_once(':').unwrap_or(("", word));
            let (old, new) = match kind {
                "option" => {
                    options.push(name.into());
                    continue;
                }
                "create" => (none, new),
                "delete" => (old, none),
                "force" | "" => (old, new),
                _ => return Err(PushWordsFault::Word(ParseRefNameError)),
            };
            forward.push(kind.is_empty());
            let name = RefName::parse(name.as_bytes()).map_err(PushWordsFault::Word)?;
            commands.push(PushCommand::new(old, new, name)?);
        }
        let push = Self::new(CommandList::of(commands, options)?);
        Ok(push.with_fast_forwards(|number| forward.get(number).copied().unwrap_or(false)))
    }
}

/// Returns an id that stands for some object.
fn example_id(byte: u8) -> ObjectId {
    let format = ObjectFormat::Sha1;
    let bytes = vec![byte; format.id_bytes()];
    ObjectId::from_bytes(format, &bytes).unwrap_or_else(|| ObjectId::zero(format))
}

#[cfg(test)]
mod tests {
    use magicproxy_git::Change;

    use super::*;

    #[test]
    fn words_describe_a_push() {
        let words = ["refs/heads/a", "create:refs/heads/b", "delete:refs/c", "force:refs/d"];
        let push = Push::of_words(words.into_iter().chain(["option:ci.skip"])).unwrap();
        let changes: Vec<Change> =
            push.list().commands().iter().map(|command| command.change()).collect();
        assert_eq!(changes, [Change::Update, Change::Create, Change::Delete, Change::Update]);
        assert_eq!(push.list().options(), ["ci.skip".into()]);
        assert!(Push::of_words([]).unwrap().list().is_probe());
        for word in ["main", "create:main", "move:refs/heads/a", "", "refs/heads/a b"] {
            assert!(Push::of_words([word]).is_err(), "{word}");
        }
        assert!(Push::of_words(["refs/a", "create:refs/a"]).is_err());
    }
}
