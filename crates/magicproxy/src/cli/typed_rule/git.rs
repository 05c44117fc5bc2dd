//! A rule for git in words: `git push /acme/site refs/heads/agent/* create`. `git.md` section 1.1.

use magicproxy_config::ground::text::harmless;
use serde_json::{Map, Value, json};

/// The words for members that are `true`.
const FLAGS: [&str; 4] = ["create", "delete", "force", "locks"];

/// Returns the object that the words stand for; the first of them is `git`.
pub(super) fn to_object(words: &[String]) -> Result<Value, String> {
    let [_, kind, repository, words @ ..] = words else {
        return Err(
            "expected `git push REPOSITORY REF…`, `git fetch REPOSITORY` or `git lfs REPOSITORY download`"
                .to_owned(),
        );
    };
    let kind = match kind.as_str() {
        "clone" | "pull" => return Err(format!("`git {kind}` is `git fetch`, as a rule")),
        kind => kind,
    };
    if !repository.starts_with('/') {
        return Err(format!(
            "`{}`: expected the path of the repository, such as `/acme/site`",
            harmless(repository)
        ));
    }
    let mut rule = Map::new();
    rule.insert("git".to_owned(), json!(kind));
    rule.insert("repository".to_owned(), json!(repository));
    let (mut refs, mut operations) = (Vec::new(), Vec::new());
    for word in words {
        match word.split_once('=') {
            _ if word.starts_with("refs/") => refs.push(word.as_str()),
            None if FLAGS.contains(&word.as_str()) => set(&mut rule, word, json!(true))?,
            None if matches!(word.as_str(), "download" | "upload") => operations.push(word),
            Some(("refs", "any")) => set(&mut rule, "refs", json!({}))?,
            Some(("options", options)) => {
                let options: Vec<&str> = options.split(',').collect();
                set(&mut rule, "options", texts(&options))?;
            }
            Some(("max_commands", number)) => {
                let number: u64 = number
                    .parse()
                    .map_err(|_| "expected a number, as in `max_commands=3`".to_owned())?;
                set(&mut rule, "max_commands", json!(number))?;
            }
            _ => return Err(guess(word)),
        }
    }
    if !refs.is_empty() {
        set(&mut rule, "refs", texts(&refs))?;
    }
    if !operations.is_empty() {
        set(&mut rule, "operations", json!(operations))?;
    }
    Ok(Value::Object(rule))
}

/// Returns the test of one of these texts; all are globs where one is.
fn texts(texts: &[&str]) -> Value {
    let value = match texts {
        [text] => json!(text),
        texts => json!(texts),
    };
    if texts.iter().any(|text| text.contains('*')) { json!({ "glob": value }) } else { value }
}

fn set(rule: &mut Map<String, Value>, member: &str, value: Value) -> Result<(), String> {
    if rule.insert(member.to_owned(), value).is_some() {
        return Err(format!("`{member}` is there twice"));
    }
    Ok(())
}

/// Returns what to write instead of a word.
fn guess(word: &str) -> String {
    let shown = harmless(word);
    let bare = word.trim_start_matches('-');
    if FLAGS.contains(&bare) {
        return format!("`{shown}`: write `{bare}`");
    }
    let names = ["branches", "branch", "refs", "ref", "tags", "tag"];
    let named = word.split_once(['=', '~', ':']).filter(|(name, _)| names.contains(name));
    let (name, value) = named.unwrap_or(("", word));
    if name.is_empty() && (word.contains(['=', '~', ':']) || word.is_empty()) {
        return format!(
            "`{shown}`: expected references such as `refs/heads/main`, `create`, `delete`, `force`, `options=`, `max_commands=`, or behind `git lfs` `download`, `upload`, `locks`"
        );
    }
    let value = value.trim_start_matches(['*', '/']);
    let value = if value.is_empty() { "*" } else { value };
    let full = if value.starts_with("refs/") {
        value.to_owned()
    } else if value.starts_with("heads/") || value.starts_with("tags/") {
        format!("refs/{value}")
    } else if name.starts_with("tag") {
        format!("refs/tags/{value}")
    } else {
        format!("refs/heads/{value}")
    };
    format!("`{shown}`: a reference is written in full: `{}`", harmless(&full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typed_rule;

    #[track_caller]
    fn check(text: &str, expected: Value) {
        assert_eq!(typed_rule::to_object(text), Ok(Some(expected)), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, part: &str) {
        let fault = typed_rule::to_object(text).unwrap_err();
        assert!(fault.contains(part), "{text}: {fault}");
    }

    #[test]
    fn words_stand_for_a_rule_for_git() {
        let push = |members: Value| {
            let mut rule = json!({"git": "push", "repository": "/acme/site"});
            rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            rule
        };
        for (words, members) in [
            ("refs/heads/main", json!({"refs": "refs/heads/main"})),
            (
                "refs/heads/agent/* create",
                json!({"refs": {"glob": "refs/heads/agent/*"}, "create": true}),
            ),
            ("refs/heads/a refs/heads/b", json!({"refs": ["refs/heads/a", "refs/heads/b"]})),
            (
                "refs/heads/a refs/tags/*",
                json!({"refs": {"glob": ["refs/heads/a", "refs/tags/*"]}}),
            ),
            ("refs=any delete force", json!({"refs": {}, "delete": true, "force": true})),
            ("refs/heads/a=b", json!({"refs": "refs/heads/a=b"})),
            (
                "refs/heads/a options=ci.skip,x max_commands=3",
                json!({"refs": "refs/heads/a", "options": ["ci.skip", "x"], "max_commands": 3}),
            ),
            (
                "refs/heads/a options=x=*",
                json!({"refs": "refs/heads/a", "options": {"glob": "x=*"}}),
            ),
        ] {
            check(&format!("git push /acme/site {words}"), push(members));
        }
        check("git fetch /acme/{repo}", json!({"git": "fetch", "repository": "/acme/{repo}"}));
        check(
            "git  lfs /a download upload locks ",
            json!({"git": "lfs", "repository": "/a", "operations": ["download", "upload"], "locks": true}),
        );
    }

    #[test]
    fn a_guess_gets_the_right_word() {
        for (words, right) in [
            ("main", "`refs/heads/main`"),
            ("agent/*", "`refs/heads/agent/*`"),
            ("heads/main", "`refs/heads/main`"),
            ("tags/v1", "`refs/tags/v1`"),
            ("branch=main", "`refs/heads/main`"),
            ("branches~agent/*", "`refs/heads/agent/*`"),
            ("ref=refs/heads/a", "`refs/heads/a`"),
            ("tag=v*", "`refs/tags/v*`"),
            ("*", "`refs/heads/*`"),
            ("--force", "write `force`"),
            ("forced=1", "expected references"),
            ("max_commands=many", "expected a number"),
            ("create create", "twice"),
            ("refs=any refs/heads/a", "twice"),
        ] {
            refused(&format!("git push /acme/site {words}"), right);
        }
        refused("git push", "git fetch REPOSITORY");
        refused("git push acme/site refs/heads/a", "`/acme/site`");
        refused("git push https://github.com/acme/site main", "`/acme/site`");
        refused("git clone /acme/site", "`git fetch`");
    }
}
