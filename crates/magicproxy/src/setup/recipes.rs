//! The recipes of `docs/guide/clients`, compiled in for users who have the binary only.

/// The page of each client, by the client's name. PowerDNS is no client of `env`, but has a page.
const RECIPES: [(&str, &str); 25] = [
    ("aider", include_str!("../../../../docs/guide/clients/aider.md")),
    ("anthropic", include_str!("../../../../docs/guide/clients/anthropic.md")),
    ("certbot", include_str!("../../../../docs/guide/clients/certbot.md")),
    ("claude-code", include_str!("../../../../docs/guide/clients/claude-code.md")),
    ("cloudflare", include_str!("../../../../docs/guide/clients/cloudflare.md")),
    ("codex", include_str!("../../../../docs/guide/clients/codex.md")),
    ("curl", include_str!("../../../../docs/guide/clients/curl.md")),
    ("doctl", include_str!("../../../../docs/guide/clients/doctl.md")),
    ("gh", include_str!("../../../../docs/guide/clients/gh.md")),
    ("git", include_str!("../../../../docs/guide/clients/git.md")),
    ("git-lfs", include_str!("../../../../docs/guide/clients/git-lfs.md")),
    ("gitbeaker", include_str!("../../../../docs/guide/clients/gitbeaker.md")),
    ("githubkit", include_str!("../../../../docs/guide/clients/githubkit.md")),
    ("lego", include_str!("../../../../docs/guide/clients/lego.md")),
    ("octokit", include_str!("../../../../docs/guide/clients/octokit.md")),
    ("openai", include_str!("../../../../docs/guide/clients/openai.md")),
    ("opencode", include_str!("../../../../docs/guide/clients/opencode.md")),
    ("pip", include_str!("../../../../docs/guide/clients/pip.md")),
    ("powerdns", include_str!("../../../../docs/guide/clients/powerdns.md")),
    ("pydo", include_str!("../../../../docs/guide/clients/pydo.md")),
    ("pygithub", include_str!("../../../../docs/guide/clients/pygithub.md")),
    ("python-digitalocean", include_str!("../../../../docs/guide/clients/python-digitalocean.md")),
    ("python-gitlab", include_str!("../../../../docs/guide/clients/python-gitlab.md")),
    ("renovate", include_str!("../../../../docs/guide/clients/renovate.md")),
    ("terraform", include_str!("../../../../docs/guide/clients/terraform.md")),
];

/// Returns the page that shows a client at work.
pub(crate) fn of(client: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(name, _)| *name == client).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_here_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/clients");
        let mut pages: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().to_str()?.strip_suffix(".md").map(str::to_owned)
            })
            .filter(|name| name != "README")
            .collect();
        pages.sort();
        assert_eq!(pages, RECIPES.map(|(name, _)| name.to_owned()));
        for (name, page) in RECIPES {
            assert!(page.starts_with("# "), "{name}");
        }
    }
}
