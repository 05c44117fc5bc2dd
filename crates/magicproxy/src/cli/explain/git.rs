//! `explain TOKEN git push REPOSITORY REF…`: a question about git becomes one about its request.

use magicproxy_config::ground::text::harmless;
use magicproxy_core::Push;

use super::ExplainArgs;
use crate::ground::failure::Failure;

/// The header field of a push.
const PUSH_FIELD: &str = "Content-Type: application/x-git-receive-pack-request";

/// Reads a question about git: the request, and the push if it is one. Other questions stay what
/// they are.
pub(super) fn read(args: ExplainArgs) -> Result<(ExplainArgs, Option<Push>), Failure> {
    if args.method != "git" {
        return match args.git.first() {
            None => Ok((args, None)),
            Some(word) => Err(Failure::usage(format!(
                "`{}` is too much: expected a method and a URL, or `git push REPOSITORY REF…`",
                harmless(word)
            ))),
        };
    }
    let Some((repository, references)) = args.git.split_first() else {
        return Err(Failure::usage(
            "expected `git push REPOSITORY REF…` or `git fetch REPOSITORY`",
        ));
    };
    let repository = repository.trim_end_matches('/');
    match (args.url.as_str(), references) {
        ("push", []) => Err(Failure::usage(
            "`git push` is about references: name one such as `refs/heads/main`, in full",
        )),
        ("push", references) => {
            let push = Push::of_words(references.iter().map(String::as_str));
            let push = push.map_err(|fault| Failure::usage(format!("git push: {fault}")))?;
            let url = format!("{repository}/git-receive-pack");
            let mut headers = args.headers;
            headers.push(PUSH_FIELD.to_owned());
            Ok((ExplainArgs { method: "POST".to_owned(), url, headers, ..args }, Some(push)))
        }
        ("fetch" | "clone" | "pull", []) => {
            let url = format!("{repository}/git-upload-pack");
            Ok((ExplainArgs { method: "POST".to_owned(), url, ..args }, None))
        }
        ("fetch" | "clone" | "pull", [word, ..]) => Err(Failure::usage(format!(
            "`{}` is too much: reading is by repository",
            harmless(word)
        ))),
        (word, _) => Err(Failure::usage(format!(
            "git {}: expected `git push` or `git fetch`",
            harmless(word)
        ))),
    }
}
