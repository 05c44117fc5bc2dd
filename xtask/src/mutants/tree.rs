//! The copy of the sources in which mutants are tried. The copy stays from run to run, so that
//! unchanged code is not compiled again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::draw::{Mutant, SourcePosition};
use crate::workspace::Workspace;

#[derive(Debug)]
pub(super) struct Tree<'w> {
    workspace: &'w Workspace,
    root: PathBuf,
}

impl<'w> Tree<'w> {
    /// Copies all files that git tracks or would track, in their present state, and removes files
    /// that are gone.
    pub(super) fn lay_out(workspace: &'w Workspace) -> Result<Tree<'w>> {
        let tree = Tree { workspace, root: workspace.target.join("xtask/mutants/tree") };
        let mut command = workspace.command("git");
        let listed =
            command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output();
        let listed = String::from_utf8(listed.context("cannot run `git`")?.stdout)
            .context("a file has a name that is no text")?;
        let files: Vec<&str> = listed
            .split_terminator('\0')
            .filter(|file| workspace.root.join(file).is_file())
            .collect();
        anyhow::ensure!(!files.is_empty(), "git lists no files");
        for file in &files {
            tree.copy(file)?;
        }
        tree.remove_others(&tree.root, &files)?;
        Ok(tree)
    }

    /// Returns a command that starts in the tree. The command compiles into a folder of the tree's
    /// own, because cargo locks a target folder in use.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.workspace.command(program);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.workspace.target.join("xtask/mutants/target"))
            .env("CARGO_INCREMENTAL", "1");
        command
    }

    pub(super) fn cargo(&self) -> Command {
        self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Returns the path of a trial's log.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.workspace.target.join("xtask/mutants").join(format!("{name}.log"))
    }

    /// Runs `work` while the mutant stands in the file, and restores the file afterwards, also
    /// after an error.
    pub(super) fn with<T>(&self, mutant: &Mutant, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let path = self.root.join(&mutant.file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let mutated =
            mutated(&text, mutant).with_context(|| format!("no such place: {}", mutant.name))?;
        std::fs::write(&path, mutated)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        let done = work();
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        done
    }

    fn copy(&self, file: &str) -> Result<()> {
        let (from, to) = (self.workspace.root.join(file), self.root.join(file));
        let text =
            std::fs::read(&from).with_context(|| format!("cannot read `{}`", from.display()))?;
        // An unchanged file is not written, because cargo compiles a newly written file again.
        if std::fs::read(&to).is_ok_and(|there| there == text) {
            return Ok(());
        }
        let folder = to.parent().context("a file stands in no folder")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        std::fs::copy(&from, &to).with_context(|| format!("cannot write `{}`", to.display()))?;
        Ok(())
    }

    fn remove_others(&self, folder: &Path, files: &[&str]) -> Result<()> {
        for entry in std::fs::read_dir(folder)
            .with_context(|| format!("cannot read `{}`", folder.display()))?
        {
            let path = entry.context("cannot read a folder")?.path();
            let name =
                path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                self.remove_others(&path, files)?;
            } else if !files.contains(&name.as_str()) {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove `{name}`"))?;
            }
        }
        Ok(())
    }
}

/// Returns the text with the mutant applied; `None` if the text lacks the mutant's places.
fn mutated(text: &str, mutant: &Mutant) -> Option<String> {
    let [start, end] = mutant.span.map(|place| offset(text, place));
    let (before, after) = (text.get(..start?)?, text.get(end?..)?);
    Some([before, &mutant.replacement, after].concat())
}

fn offset(text: &str, place: SourcePosition) -> Option<usize> {
    let before: usize =
        text.split_inclusive('\n').take(place.line.checked_sub(1)?).map(str::len).sum();
    let line = text.get(before..)?.split_inclusive('\n').next()?;
    let characters = line.chars().take(place.column.checked_sub(1)?);
    Some(before + characters.map(char::len_utf8).sum::<usize>())
}

#[cfg(test)]
mod tests {
    use super::{Mutant, SourcePosition, mutated};

    #[test]
    fn a_mutant_stands_where_it_says() {
        let text = "fn é() {\n    // ü\n    a * b\n}\n";
        let put = |replacement: &str, from: (usize, usize), to: (usize, usize)| {
            let span = [from, to].map(|(line, column)| SourcePosition { line, column });
            let (name, file) = (String::new(), String::new());
            mutated(
                text,
                &Mutant { name, part: "core", file, replacement: replacement.to_owned(), span },
            )
        };
        assert_eq!(put("+", (3, 7), (3, 8)).unwrap(), text.replace('*', "+"));
        assert_eq!(put("b", (1, 4), (1, 5)).unwrap(), text.replace('é', "b"));
        assert_eq!(put("()", (2, 5), (3, 10)).unwrap(), "fn é() {\n    ()\n}\n");
        assert_eq!(put("", (9, 1), (9, 2)), None);
    }
}
