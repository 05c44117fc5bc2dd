//! `cargo xtask docs`: the documents as a site with a search, by mdBook. The pages that
//! `docs/SUMMARY.md` lists are laid in a folder as they lie in the repository, so that links between
//! them stay as they are.

mod links;

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use crate::log::Log;
use crate::python;
use crate::workspace::Workspace;

const SUMMARY: &str = "docs/SUMMARY.md";

/// Builds the site and prints its first page. True if every link of it leads somewhere.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let mut log = Log::create(workspace.target.join("xtask/docs.log"))?;
    let site = build(workspace, &mut log)
        .inspect_err(|_| println!("{}", log.tail(60).unwrap_or_default()))?;
    let faults = links::faults(&site)?;
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{}", site.join("index.html").display());
    Ok(faults.is_empty())
}

/// Builds the site, and returns the folder and a line for each link that leads nowhere.
pub(crate) fn checked(workspace: &Workspace, log: &mut Log) -> Result<(PathBuf, Vec<String>)> {
    let site = build(workspace, log)?;
    let faults = links::faults(&site)?;
    Ok((site, faults))
}

/// Builds the site, and returns its folder.
fn build(workspace: &Workspace, log: &mut Log) -> Result<PathBuf> {
    let (source, site) = (workspace.target.join("xtask/docs"), workspace.target.join("docs"));
    for folder in [&source, &site] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).context("cannot empty a folder in target")?;
        }
    }
    lay(&workspace.root, &source)?;
    let mdbook = python::ensure(workspace, log, python::PACKAGES)?.join("bin/mdbook");
    let mut command = workspace.command(mdbook);
    log.must(command.arg("build").arg(&source).arg("--dest-dir").arg(&site))?;
    Ok(site)
}

/// Lays the pages, the files that they link to, and what mdBook reads.
fn lay(root: &Path, source: &Path) -> Result<()> {
    let read = |name: &Path| {
        std::fs::read_to_string(root.join(name))
            .with_context(|| format!("cannot read `{}`", name.display()))
    };
    let summary = read(Path::new(SUMMARY))?;
    let pages = links::of_markdown(&summary)
        .map(|link| beside(Path::new(SUMMARY), link))
        .collect::<Result<Vec<PathBuf>>>()?;
    for page in &pages {
        copy(root, source, page)?;
        for link in links::of_markdown(&read(page)?) {
            let file = beside(page, link)?;
            if root.join(&file).is_file() {
                copy(root, source, &file)?;
            }
        }
    }
    copy(root, source, Path::new("docs/book.toml"))?;
    std::fs::rename(source.join("docs/book.toml"), source.join("book.toml"))
        .context("cannot lay the configuration of mdBook")?;
    std::fs::write(source.join("SUMMARY.md"), from_root(&summary)?)
        .context("cannot lay the list of pages")
}

/// Returns the list of pages with paths that begin in the root of the repository.
fn from_root(summary: &str) -> Result<String> {
    let line = |line: &str| match links::of_markdown(line).next() {
        Some(link) => {
            let path = beside(Path::new(SUMMARY), link)?.display().to_string();
            Ok(line.replace(&format!("]({link})"), &format!("]({path})")) + "\n")
        }
        None => Ok(format!("{line}\n")),
    };
    summary.lines().map(line).collect()
}

fn copy(root: &Path, source: &Path, name: &Path) -> Result<()> {
    let to = source.join(name);
    let folder = to.parent().context("a page lies in a folder")?;
    std::fs::create_dir_all(folder).context("cannot make a folder in target")?;
    std::fs::copy(root.join(name), &to)
        .map(drop)
        .with_context(|| format!("cannot copy `{}`", name.display()))
}

/// Returns the path, from the root of the repository, that a link of a page leads to. Refuses a link
/// that leads out of it.
fn beside(page: &Path, link: &str) -> Result<PathBuf> {
    let file = link.split('#').next().unwrap_or_default();
    let mut path = page.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => {
                anyhow::ensure!(path.pop(), "{}: `{link}` leads out of here", page.display());
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::{SUMMARY, beside, from_root, links};

    fn pages(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pages(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_document_is_a_page_of_the_site_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut there = BTreeSet::new();
        pages(&root.join("docs"), &mut there);
        there.remove(&root.join(SUMMARY));
        let fronts =
            ["ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "README", "RELEASING", "SECURITY"];
        there.extend(fronts.map(|name| root.join(name).with_extension("md")));
        let summary = std::fs::read_to_string(root.join(SUMMARY)).unwrap();
        let listed: Vec<PathBuf> = links::of_markdown(&summary)
            .map(|link| root.join(beside(Path::new(SUMMARY), link).unwrap()))
            .collect();
        let once: BTreeSet<PathBuf> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "a page is listed twice");
        let missing: Vec<_> = there.difference(&once).collect();
        assert!(missing.is_empty(), "not in {SUMMARY}: {missing:?}");
        assert!(once.iter().all(|page| page.is_file()), "a page of {SUMMARY} is not there");
    }

    #[test]
    fn links_are_followed_from_where_they_stand() {
        let follow = |page: &str, link: &str| beside(Path::new(page), link).unwrap();
        assert_eq!(follow("docs/guide/a.md", "../spec/b.md#c"), Path::new("docs/spec/b.md"));
        assert_eq!(follow("README.md", "docs/a.md"), Path::new("docs/a.md"));
        assert!(beside(Path::new("README.md"), "../a.md").is_err());
        let list = "- [A](../README.md)\n  - [B](spec/b.md)\n- [C]()\n";
        assert_eq!(
            from_root(list).unwrap(),
            "- [A](README.md)\n  - [B](docs/spec/b.md)\n- [C]()\n"
        );
    }
}
