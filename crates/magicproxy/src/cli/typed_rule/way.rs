//! The names of a word, from the member of the rule down to the name that is tested.

use serde_json::{Map, Value, json};

/// The characters of names on the command line. Other names need the object form.
const NAME_CHARACTERS: &str = "_-$@/[]";

/// The names of a word. Never empty.
#[derive(Debug)]
pub(super) struct NamePath<'w>(Vec<Step<'w>>);

/// A name of a word.
#[derive(Debug)]
struct Step<'w> {
    name: &'w str,
    is_optional: bool,
    /// True for `x[]`: each element of the list `x` is meant.
    is_each: bool,
}

impl<'w> NamePath<'w> {
    /// Reads `.NAME.NAME`, and returns what follows: the test.
    pub(super) fn parse(text: &'w str) -> Result<(Self, &'w str), String> {
        let end = text.find(['=', '~']).unwrap_or(text.len());
        let (names, test) = text.split_at(end);
        let names = names.strip_prefix('.').ok_or_else(|| {
            "expected a name behind the member, as in `json.base=main`".to_owned()
        })?;
        let steps = names.split('.').map(Step::parse).collect::<Result<Vec<_>, _>>()?;
        Ok((Self(steps), test))
    }

    /// Returns the way if it has only one name.
    pub(super) fn single(self) -> Option<Self> {
        (self.0.len() == 1).then_some(self)
    }

    /// Puts a test where the way ends.
    pub(super) fn put(&self, names: &mut Map<String, Value>, test: Value) -> Result<(), String> {
        let Some((last, before)) = self.0.split_last() else { return Ok(()) };
        let mut names = names;
        for step in before {
            names = step.below(names)?;
        }
        last.put(names, test)
    }
}

impl<'w> Step<'w> {
    fn parse(text: &'w str) -> Result<Self, String> {
        let (mut name, mut is_optional, mut is_each) = (text, false, false);
        loop {
            if let Some(rest) = name.strip_suffix('?').filter(|_| !is_optional) {
                (name, is_optional) = (rest, true);
            } else if let Some(rest) = name.strip_suffix("[]").filter(|_| !is_each) {
                (name, is_each) = (rest, true);
            } else {
                break;
            }
        }
        let bare = if name == "*" { "" } else { name.strip_suffix("[*]").unwrap_or(name) };
        check(text, if name == "*" { "a" } else { bare })?;
        Ok(Self { name, is_optional, is_each })
    }

    /// Returns the name as an object of the rule has it.
    fn key(&self) -> String {
        format!("{}{}", self.name, if self.is_optional { "?" } else { "" })
    }

    fn put(&self, names: &mut Map<String, Value>, test: Value) -> Result<(), String> {
        let test = if self.is_each { json!({ "each": test }) } else { test };
        if names.contains_key(&self.other_key()) || names.contains_key(&self.key()) {
            return Err(format!("`{}` is there twice", self.name));
        }
        names.insert(self.key(), test);
        Ok(())
    }

    /// Returns the names below this name, whose test becomes an object, or a list of objects.
    fn below<'n>(
        &self,
        names: &'n mut Map<String, Value>,
    ) -> Result<&'n mut Map<String, Value>, String> {
        let twice = || format!("`{}` is there twice, and not in the same way", self.name);
        if names.contains_key(&self.other_key()) {
            return Err(twice());
        }
        let empty =
            if self.is_each { json!({"each": {"object": {}}}) } else { json!({"object": {}}) };
        let test = names.entry(self.key()).or_insert(empty);
        let object = if self.is_each { test.get_mut("each") } else { Some(test) };
        let names = object.and_then(|object| object.get_mut("object")?.as_object_mut());
        names.ok_or_else(twice)
    }

    /// Returns the name as it would be with `?`, or without.
    fn other_key(&self) -> String {
        format!("{}{}", self.name, if self.is_optional { "" } else { "?" })
    }
}

/// Refuses a name that is not easily typed.
fn check(written: &str, name: &str) -> Result<(), String> {
    let is_fit =
        |character: char| character.is_alphanumeric() || NAME_CHARACTERS.contains(character);
    if let Some(sign) = name.chars().last().filter(|last| "!<>:~^$".contains(*last) && *last != '$')
    {
        return Err(format!(
            "`{sign}=` is no test: there are `=` (one of), `=1..9` (a range) and `~` (a glob)"
        ));
    }
    if name.is_empty() || !name.chars().all(is_fit) {
        return Err(format!(
            "`{written}` needs the object form: only letters, digits and `_-$@/` are written as words"
        ));
    }
    let mut is_open = false;
    for character in name.chars() {
        match (character, is_open) {
            ('[', false) => is_open = true,
            (']', true) => is_open = false,
            ('[' | ']', _) => return Err(format!("the brackets of `{written}` are not balanced")),
            _ => {}
        }
    }
    if is_open { Err(format!("the brackets of `{written}` are not balanced")) } else { Ok(()) }
}
