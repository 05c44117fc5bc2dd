//! Links: those of a page in Markdown, and whether those of a finished site lead somewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Pages that mdBook adds, whose links are those of others.
const ADDED: [&str; 3] = ["404.html", "print.html", "toc.html"];

/// Returns the links of a text that lead to files beside it, with their headings.
pub(super) fn of_markdown(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("](").skip(1);
    let links = ends.filter_map(|rest| rest.split([')', ' ', '\n']).next());
    links.filter(|link| is_local(link) && !link.starts_with('#'))
}

/// Returns a line for each link of a site that leads to no file, or to no heading of a page.
pub(super) fn faults(site: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    read(site, &mut pages)?;
    anyhow::ensure!(pages.len() > 50, "the site has only {} pages", pages.len());
    let mut faults = Vec::new();
    for (page, text) in &pages {
        if ADDED.iter().any(|added| page.ends_with(added)) {
            continue;
        }
        for link in attributes(text, "href").chain(attributes(text, "src")) {
            if is_local(link) && !leads_somewhere(page, link, &pages) {
                let name = page.strip_prefix(site).unwrap_or(page);
                faults.push(format!("{}: `{link}` leads nowhere", name.display()));
            }
        }
    }
    Ok(faults)
}

fn read(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).context("there is no site")?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let text = std::fs::read_to_string(&path).context("cannot read a page of the site")?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// True for a link to a file, or to a heading.
fn is_local(link: &str) -> bool {
    let scheme = link.split(['/', '#']).next().unwrap_or_default();
    !link.is_empty() && !scheme.contains(':') && !link.starts_with("//")
}

fn leads_somewhere(page: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let folder = page.parent().unwrap_or(page);
    let Ok(target) =
        std::fs::canonicalize(if file.is_empty() { page.into() } else { folder.join(file) })
    else {
        return false;
    };
    let known =
        pages.iter().find(|(path, _)| std::fs::canonicalize(path).is_ok_and(|path| path == target));
    match known {
        Some((_, text)) => heading.is_empty() || attributes(text, "id").any(|id| id == heading),
        None => target.is_file(),
    }
}

/// Returns the values of an attribute in HTML, as mdBook writes it.
fn attributes<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let begin = format!(" {name}=\"");
    let parts: Vec<&str> = text.split(begin.as_str()).skip(1).collect();
    parts.into_iter().filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::{attributes, is_local, of_markdown};

    #[test]
    fn links_to_files_are_told_from_others() {
        let text = "[a](b.md#c) [d](#e) [f](https://g.example/h) ![i](j.svg) [k]()";
        assert_eq!(of_markdown(text).collect::<Vec<_>>(), ["b.md#c", "j.svg"]);
        assert!(!is_local("mailto:a@b.example") && !is_local("//cdn.example") && is_local("a/b:c"));
    }

    #[test]
    fn attributes_are_read() {
        let text = r#"<h2 id="a"><a class="x" href="b#c">d</a></h2>"#;
        assert_eq!(attributes(text, "id").collect::<Vec<_>>(), ["a"]);
        assert_eq!(attributes(text, "href").collect::<Vec<_>>(), ["b#c"]);
    }
}
