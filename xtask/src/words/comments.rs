//! Counts of doc comments: the pro-forms among the words, the blocks with an opener, and the blocks
//! of one line. Counts of code: the lines that are too long. Code in comments (`…`, and blocks
//! between fences) counts as no words.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

use crate::source::Crate;

/// The greatest number of columns in a line of code.
const COLUMNS: usize = 100;

/// The counts of a crate, or the sum of several crates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    words: usize,
    pro_forms: usize,
    blocks: usize,
    /// Blocks that begin with a word of the list of openers.
    opened: usize,
    one_line: usize,
    code_lines: usize,
    long_lines: usize,
}

impl Figures {
    pub(super) const HEADER: &str =
        "  words  pro-forms  blocks  openers  one line   code lines  over 100 columns";

    fn add_block(
        &mut self,
        lines: &[&str],
        pro_forms: &BTreeSet<String>,
        openers: &BTreeSet<String>,
    ) {
        let words = words(lines);
        self.words += words.len();
        self.pro_forms += words.iter().filter(|word| pro_forms.contains(*word)).count();
        self.blocks += 1;
        let first = lines.first().and_then(|line| line.split_whitespace().next());
        self.opened +=
            usize::from(first.is_some_and(|word| openers.contains(&word.to_lowercase())));
        self.one_line += usize::from(lines.len() == 1);
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.words += other.words;
        self.pro_forms += other.pro_forms;
        self.blocks += other.blocks;
        self.opened += other.opened;
        self.one_line += other.one_line;
        self.code_lines += other.code_lines;
        self.long_lines += other.long_lines;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { words, blocks, code_lines, .. } = *self;
        let pro_forms = percent(self.pro_forms, words);
        let (opened, one_line) = (percent(self.opened, blocks), percent(self.one_line, blocks));
        let long = percent(self.long_lines, code_lines);
        write!(
            formatter,
            "{words:>7} {pro_forms:>8} % {blocks:>7} {opened:>6} % {one_line:>7} % {code_lines:>12} {long:>15} %"
        )
    }
}

/// Returns the percentage with one decimal digit.
fn percent(part: usize, whole: usize) -> String {
    let thousandths = (part * 1000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// Counts a crate, without tests.
pub(super) fn figures(
    found: &Crate,
    pro_forms: &BTreeSet<String>,
    openers: &BTreeSet<String>,
) -> Figures {
    let mut figures = Figures::default();
    for module in &found.modules {
        for block in blocks(&module.text) {
            figures.add_block(&block, pro_forms, openers);
        }
        for line in module.text.lines().map(str::trim_end).filter(|line| is_code(line)) {
            figures.code_lines += 1;
            figures.long_lines += usize::from(line.chars().count() > COLUMNS);
        }
    }
    figures
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Returns the doc comments of a text, each as the texts of the lines.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(str::trim_start).map(doc_text).collect::<Vec<_>>();
    let blocks = lines.split(Option::is_none).filter(|block| !block.is_empty());
    blocks.map(|block| block.iter().copied().flatten().collect()).collect()
}

fn doc_text(line: &str) -> Option<&str> {
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    (!text.starts_with('/')).then(|| text.strip_prefix(' ').unwrap_or(text))
}

/// Returns the words of a block in lower case, without code.
fn words(lines: &[&str]) -> Vec<String> {
    let (mut is_code, mut found) = (false, Vec::new());
    for line in lines {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let prose = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
            let words = prose.split(|letter: char| !letter.is_ascii_alphabetic() && letter != '\'');
            found.extend(
                words
                    .map(|word| word.trim_matches('\'').to_lowercase())
                    .filter(|word| !word.is_empty()),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Figures, figures};
    use crate::words::crate_of;

    #[test]
    fn comments_and_lines_are_counted() {
        let [whole, long] = [100, 101].map(|columns| format!("{};", "x".repeat(columns - 1)));
        let text = format!(
            "//! What it is: `that`.\n\n/// A name\n/// that's such.\n///\n/// ```\n/// it.that()\n/// ```\n//// It is no doc.\n// It\nfn a() {{}}\n{whole}\n{long}\n"
        );
        let set = |words: &str| words.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let found = figures(&crate_of(&text), &set("it that such what"), &set("what how"));
        let expected = Figures {
            words: 7,
            pro_forms: 3,
            blocks: 2,
            opened: 1,
            one_line: 1,
            code_lines: 3,
            long_lines: 1,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn figures_are_told_in_percent() {
        let figures = Figures {
            words: 1000,
            pro_forms: 137,
            blocks: 3,
            opened: 1,
            one_line: 2,
            code_lines: 0,
            long_lines: 0,
        };
        let shown = figures.to_string();
        assert_eq!(
            shown.split_whitespace().collect::<Vec<_>>().join(" "),
            "1000 13.7 % 3 33.3 % 66.7 % 0 0.0 %"
        );
        assert_eq!(shown.len(), Figures::HEADER.len(), "the header stands above its figures");
    }
}
