//! Rules for git: from the template of a repository to the pattern of its endpoints. `git.md`
//! sections 1 and 2.

use std::sync::Arc;

use super::effects::RuleEffects;
use super::raw::GitRuleObject;
use super::{Methods, Parts, RuleReason, route, shorten};
use crate::condition::Conditions;
use crate::method::Method;
use crate::pattern::{Budget, Pattern, PatternMode};

/// The faults of a repository as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RepositoryFault {
    #[error("an upstream with `danger_prefix_matching` takes no rules for git")]
    PrefixMatching,
    #[error("`repository`: write it without `.git`, which the rule takes as well: `{0}`")]
    Suffix(String),
    #[error("`repository`: write it without `/` at its end: `{0}`")]
    Slash(String),
    #[error("`repository`: expected the path of a repository such as `/acme/site`")]
    Path,
}

/// Reads a rule for git.
pub(super) fn parts(
    object: &GitRuleObject,
    mode: PatternMode,
    budget: &mut Budget,
) -> Result<Parts, RuleReason> {
    if mode == PatternMode::DangerPrefix {
        return Err(RepositoryFault::PrefixMatching.into());
    }
    let conditions = Conditions::parse_git(&object.members, budget)?;
    let state = RuleEffects::parse_git(object)?.map(Arc::new);
    let (methods, endpoints): (&[&str], &str) = match object.members.git.as_str() {
        "push" => (&["GET", "POST"], "(?:info/refs|git-receive-pack)"),
        "fetch" => (&["GET", "POST"], "(?:info/refs|git-upload-pack)"),
        _ => (&["GET", "POST", "PUT"], "(?:info/lfs|gitlab-lfs)/.+"),
    };
    let methods = methods.iter().map(|name| Method::parse(name)).collect::<Result<_, _>>()?;
    let source = format!("{}/{endpoints}", repository_pattern(&object.members.repository)?);
    let pattern = Pattern::parse(&source, mode, budget)?;
    let (methods, conditions) = (Methods::Listed(methods), Some(Arc::new(conditions)));
    Ok(Parts { methods, source, pattern, conditions, state })
}

/// Returns the pattern of the paths of a repository, with `.git` and without.
fn repository_pattern(template: &str) -> Result<String, RuleReason> {
    if let Some(rest) = template.strip_suffix('/') {
        return Err(RepositoryFault::Slash(shorten(rest.trim_end_matches('/'))).into());
    }
    if let Some(rest) = template.strip_suffix(".git") {
        return Err(RepositoryFault::Suffix(shorten(rest)).into());
    }
    if template.is_empty() {
        return Err(RepositoryFault::Path.into());
    }
    let pattern = route::to_pattern(template)?;
    // A capture stands for names with `.git`, too.
    let is_open = template.ends_with('}');
    Ok(if is_open { pattern } else { format!("{pattern}(?:\\.git)?") })
}
