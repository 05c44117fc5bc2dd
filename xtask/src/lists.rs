//! Reader of the checked-in lists of the house checks: sections of lines `name = "text"`, a small
//! part of TOML. The order of the lines matters, and a TOML reader would lose the order.

use anyhow::{Context, Result};

/// A section of a list, with its lines in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'t> {
    pub(crate) name: &'t str,
    /// The name and the text of each line. No text is empty, and no name occurs twice in a section.
    pub(crate) lines: Vec<(&'t str, &'t str)>,
}

/// Reads a list. Refuses a line outside of a section, a line of another form, and a repeated name.
pub(crate) fn read(text: &str) -> Result<Vec<Section<'_>>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (number, line) in text
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let number = number + 1;
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            anyhow::ensure!(
                sections.iter().all(|section| section.name != name),
                "line {number}: `[{name}]` stands there twice"
            );
            sections.push(Section { name, lines: Vec::new() });
            continue;
        }
        let (name, meaning) =
            entry(line).with_context(|| format!("line {number}: expected `name = \"text\"`"))?;
        let lines = &mut sections
            .last_mut()
            .with_context(|| format!("line {number}: no section stands above it"))?
            .lines;
        anyhow::ensure!(
            lines.iter().all(|(known, _)| *known != name),
            "line {number}: `{name}` stands there twice"
        );
        lines.push((name, meaning));
    }
    Ok(sections)
}

/// Splits `name = "text"`; the name may stand in quotes.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (name, text) = line.split_once(" = ")?;
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    (!text.is_empty()).then(|| (name.trim_matches('"'), text))
}

#[cfg(test)]
mod tests {
    use super::{Section, read};

    #[test]
    fn lines_keep_their_order() {
        let read = read("# A list.\n[b]\nz = \"1\"\n\"y -> x\" = \"2\"\n\n[a]\n").unwrap();
        assert_eq!(
            read,
            [
                Section { name: "b", lines: vec![("z", "1"), ("y -> x", "2")] },
                Section { name: "a", lines: vec![] }
            ]
        );
    }

    #[test]
    fn doubtful_lines_are_refused() {
        for (text, why) in [
            ("a = \"b\"\n", "line 1: no section"),
            ("[a]\nb = \"\"\n", "line 2: expected"),
            ("[a]\n\nb = c\n", "line 3: expected"),
            ("[a]\nb\n", "line 2: expected"),
            ("[a]\nb = \"c\"\nb = \"d\"\n", "line 3: `b` stands there twice"),
            ("[a]\n[a]\n", "line 2: `[a]` stands there twice"),
        ] {
            let refused = format!("{:#}", read(text).unwrap_err());
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
