//! As much of Python as needed to find a plugin's hooks: lines, indentation and string literals.
//! Nothing is run.

/// The hooks found in a plugin's file.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) is_request_allowed: Option<Function>,
    pub(super) response_callback: Option<Function>,
    /// The first names of the imported modules.
    pub(super) imports: Vec<String>,
    text: String,
}

/// A function at the outermost level.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) text: String,
}

impl Hooks {
    pub(super) fn find(text: &str) -> Self {
        Self {
            is_request_allowed: Function::find(text, "is_request_allowed"),
            response_callback: Function::find(text, "response_callback"),
            imports: imports(text),
            text: text.to_owned(),
        }
    }

    pub(super) fn mentions(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// True for a plugin about records of DigitalOcean's domains, created and deleted.
    pub(super) fn is_about_digitalocean_records(&self) -> bool {
        let records = self.mentions("domain_record")
            || (self.mentions("domains/") && self.mentions("records"));
        records && self.remembers_what_was_created()
    }

    /// True if one hook allows a request by the notes of the other hook.
    pub(super) fn remembers_what_was_created(&self) -> bool {
        let notes = self
            .response_callback
            .as_ref()
            .is_some_and(|hook| hook.text.contains("json") || hook.text.contains("id"));
        notes && self.mentions("POST") && self.mentions("DELETE")
    }

    /// Returns the methods that `response_callback` writes down for later, or else `DELETE`, the
    /// usual method of such plugins. Methods in other functions may be about other paths.
    pub(super) fn methods_on_what_was_created(&self) -> Vec<&'static str> {
        let noted = self.response_callback.as_ref().map_or("", |hook| hook.text.as_str());
        let code = noted.lines().map(|line| line.split_once('#').map_or(line, |(code, _)| code));
        let words: Vec<&str> = code
            .flat_map(|line| line.split(|character: char| !character.is_ascii_alphanumeric()))
            .collect();
        let found: Vec<&str> = ["GET", "PUT", "PATCH", "DELETE"]
            .into_iter()
            .filter(|method| words.contains(method))
            .collect();
        if found.is_empty() { vec!["DELETE"] } else { found }
    }

    /// Returns the domain in a path of the program, if a path names a domain.
    pub(super) fn domain(&self) -> Option<String> {
        let after = self.text.split("/domains/").nth(1)?;
        let end = after.find(['/', '"', '\'', ' ']).unwrap_or(after.len());
        let domain = after.get(..end)?.replace('\\', "");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        (domain.contains('.') && domain.bytes().all(plain)).then_some(domain)
    }
}

impl Function {
    /// Finds a function by its name: its first line, and all indented or empty lines below.
    fn find(text: &str, name: &str) -> Option<Self> {
        let begins = |line: &str| {
            let rest = line
                .strip_prefix("async ")
                .unwrap_or(line)
                .strip_prefix("def ")?
                .strip_prefix(name)?;
            rest.trim_start().starts_with('(').then_some(())
        };
        let mut lines = text.lines().skip_while(|line| begins(line).is_none());
        let first = lines.next()?;
        let belongs = |line: &&str| line.is_empty() || line.starts_with([' ', '\t', ')', '#']);
        let body: Vec<&str> = lines.take_while(belongs).collect();
        Some(Self { text: [&[first], body.as_slice()].concat().join("\n").trim_end().to_owned() })
    }
}

fn imports(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for line in text.lines().map(str::trim) {
        let names = match (line.strip_prefix("import "), line.strip_prefix("from ")) {
            (Some(names), _) => names.split(',').collect(),
            (None, Some(rest)) => vec![rest],
            (None, None) => continue,
        };
        for name in names {
            let module = name.trim().split([' ', '.']).next().unwrap_or_default().to_owned();
            if !module.is_empty() && !modules.contains(&module) {
                modules.push(module);
            }
        }
    }
    modules
}
