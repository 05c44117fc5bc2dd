//! Members of JSON bodies that the clients of known APIs follow: `docs/spec/rewriting.md` sections 8 and 9.
//!
//! A member is listed where a client follows it as it is. What people open, bots post, git clones or users wrote stays.

/// An API of which nothing is known: members that say "next" and the like, where they lead to another page of what was asked for.
pub const PAGES: &[&str] = &[
    "*next* ?",
    "*prev* ?",
    "*first* ?",
    "*last* ?",
    "*.*next* ?",
    "*.*prev* ?",
    "*.*first* ?",
    "*.*last* ?",
    "*next*.* ?",
    "*prev*.* ?",
    "*first*.* ?",
    "*last*.* ?",
    "*.*next*.* ?",
    "*.*prev*.* ?",
    "*.*first*.* ?",
    "*.*last*.* ?",
    "*.*.*next* ?",
    "*.*.*prev* ?",
    "*.*.*first* ?",
    "*.*.*last* ?",
];

/// PyGithub, octokit and gh follow almost every URL of the API, at any depth, and upload to `upload_url`.
pub const GITHUB: &[&str] = &[
    "**.url",
    "**.*_url",
    "**._links.*",
    "**._links.*.href",
    // GraphQL: its URLs are pages.
    "!data.**",
    // For people, and for git.
    "!**.avatar_url",
    "!**.badge_url",
    "!**.browser_download_url",
    "!**.clone_url",
    "!**.diff_url",
    "!**.documentation_url",
    "!**.download_url",
    "!**.files.*_url",
    "!**.html_url",
    "!**._links.html",
    "!**._links.html.href",
    "!**.mirror_url",
    "!**.page_url",
    "!**.patch_url",
    "!**.permalink_url",
    "!**.preview_url",
    "!**.svn_url",
    "!**.web_url",
    // Written by users: webhooks, statuses, checks, deployments, apps, advisories, properties.
    "!**.callback_url",
    "!**.client_payload.**",
    "!**.config.**",
    "!**.custom_properties.**",
    "!**.details_url",
    "!**.environment_url",
    "!**.external_url",
    "!**.homepage_url",
    "!**.image_url",
    "!**.log_url",
    "!**.payload.**",
    "!**.redirect_url",
    "!**.references.**",
    "!**.setup_url",
    "!**.target_url",
    "!**.vcs_url",
];

/// `self` of a release is a page, that of a project or an issue is the API's: what leads to a page stays. Further, what npm, Composer
/// and NuGet fetch from the registries.
pub const GITLAB: &[&str] = &[
    "_links.* /api/",
    "versions.*.dist.tarball /api/",
    "packages.**.dist.url /api/",
    "@id /api/",
    "packageContent /api/",
    "resources.@id /api/",
    "items.@id /api/",
    "items.items.@id /api/",
    "items.items.packageContent /api/",
    "items.items.catalogEntry.@id /api/",
    "items.items.catalogEntry.packageContent /api/",
    "data.versions.@id /api/",
];

/// Pages, and what became of an action.
pub const DIGITALOCEAN: &[&str] = &["links.pages.*", "links.actions.href"];

/// The results of a batch, and of each in a list of them. What a model says is nowhere near.
pub const ANTHROPIC: &[&str] = &["results_url", "data.results_url"];
