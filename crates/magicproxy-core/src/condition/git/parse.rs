//! From the members of a rule for git to its checked conditions. `git.md` section 1.

use magicproxy_git::RefName;
use serde_json::{Value, json};

use super::fault::{GitFault, MAX_RULE_COMMANDS};
use super::push::PushTest;
use super::raw::GitMembers;
use super::{GitTest, LfsTest};
use crate::condition::fault::{ConditionFault, FaultKind};
use crate::condition::names::NamesTest;
use crate::condition::parse::{MAX_CONDITION_BYTES, Place, Reader, shown};
use crate::condition::rule::Conditions;
use crate::condition::value::{Scalar, TextTest, ValueTest};
use crate::pattern::Budget;

/// The members of a rule for pushes.
const OF_PUSH: [&str; 6] = ["refs", "create", "delete", "force", "options", "max_commands"];

impl Conditions {
    /// Checks the conditions of a rule for git. Takes the work of globs and patterns from `budget`.
    pub(crate) fn parse_git(
        members: &GitMembers,
        budget: &mut Budget,
    ) -> Result<Self, ConditionFault> {
        let mut reader = Reader::new(budget);
        let size = serde_json::to_vec(members).map_or(usize::MAX, |json| json.len());
        if size > MAX_CONDITION_BYTES {
            return reader.at("git", |reader| Err(reader.fault(FaultKind::TooLarge)));
        }
        let kind = kind(members).map_err(|fault| at("git", fault))?;
        for name in members.names() {
            let owner = if OF_PUSH.contains(&name) { "push" } else { "lfs" };
            if owner != kind {
                return Err(at(name, GitFault::Member(owner)));
            }
        }
        match kind {
            "push" => Ok(Self::of_git(GitTest::Push(push(&mut reader, members)?), None)),
            "lfs" => {
                let (test, batch) = lfs(&mut reader, members)?;
                Ok(Self::of_git(GitTest::Lfs(test), batch))
            }
            _ => Ok(Self::of_git(GitTest::Fetch, None)),
        }
    }
}

/// Makes the fault of a member.
fn at(member: &str, fault: GitFault) -> ConditionFault {
    ConditionFault { place: member.to_owned(), kind: fault.into() }
}

fn kind(members: &GitMembers) -> Result<&'static str, GitFault> {
    match members.git.as_str() {
        "push" => Ok("push"),
        "fetch" => Ok("fetch"),
        "lfs" => Ok("lfs"),
        "clone" => Err(GitFault::Clone { found: "clone" }),
        "pull" => Err(GitFault::Clone { found: "pull" }),
        "read" => Err(GitFault::Clone { found: "read" }),
        _ => Err(GitFault::Kind),
    }
}

fn push(reader: &mut Reader<'_>, members: &GitMembers) -> Result<PushTest, ConditionFault> {
    let refs = members.refs.as_ref().ok_or_else(|| at("refs", GitFault::NoRefs))?;
    let refs = reader.at("refs", |reader| {
        let test = text_test(reader, refs)?;
        check_names(&test).map_err(|fault| reader.fault(fault))?;
        Ok(test)
    })?;
    let options = match &members.options {
        Some(written) => Some(reader.at("options", |reader| text_test(reader, written))?),
        None => None,
    };
    let max_commands = members.max_commands.unwrap_or(MAX_RULE_COMMANDS);
    if !(1..=MAX_RULE_COMMANDS).contains(&max_commands) {
        return Err(at("max_commands", GitFault::MaxCommands));
    }
    let is = |flag: Option<bool>| flag == Some(true);
    Ok(PushTest {
        refs,
        options,
        create: is(members.create),
        delete: is(members.delete),
        force: is(members.force),
        max_commands: usize::try_from(max_commands).unwrap_or(usize::MAX),
    })
}

/// Reads a test of texts alone.
fn text_test(reader: &mut Reader<'_>, written: &Value) -> Result<ValueTest, ConditionFault> {
    let test = reader.value(written, Place::Captures)?;
    let is_of_texts = match &test {
        ValueTest::Anything | ValueTest::Text(_) => true,
        ValueTest::OneOf(values) => values.iter().all(|value| matches!(value, Scalar::Text(_))),
        ValueTest::Integer(_)
        | ValueTest::Type(_)
        | ValueTest::List(_)
        | ValueTest::Object(_)
        | ValueTest::Absent => false,
    };
    if is_of_texts { Ok(test) } else { Err(reader.fault(GitFault::Text)) }
}

/// Checks that texts and globs are for full names of references.
fn check_names(test: &ValueTest) -> Result<(), GitFault> {
    match test {
        ValueTest::OneOf(values) => values.iter().try_for_each(|value| match value {
            Scalar::Text(name) => check_name(name),
            Scalar::Integer(_) | Scalar::Boolean(_) | Scalar::Null => Err(GitFault::Text),
        }),
        ValueTest::Text(TextTest { globs: Some(globs), .. }) => {
            globs.written().iter().try_for_each(|glob| match glob.starts_with("refs/") {
                true => Ok(()),
                false => Err(GitFault::ShortName(shown(&in_full(glob)))),
            })
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), GitFault> {
    if RefName::parse(name.as_bytes()).is_ok() {
        return Ok(());
    }
    let full = in_full(name);
    if name.contains('*') {
        return Err(GitFault::Star(shown(&full)));
    }
    Err(match RefName::parse(full.as_bytes()) {
        Ok(_) => GitFault::ShortName(shown(&full)),
        Err(_) => GitFault::Name(shown(name)),
    })
}

/// Returns the full name that a short one probably stands for.
fn in_full(name: &str) -> String {
    let name = name.trim_start_matches('/');
    if name.starts_with("refs/") {
        name.to_owned()
    } else if name.starts_with("heads/") || name.starts_with("tags/") {
        format!("refs/{name}")
    } else {
        format!("refs/heads/{name}")
    }
}

fn lfs(
    reader: &mut Reader<'_>,
    members: &GitMembers,
) -> Result<(LfsTest, Option<NamesTest>), ConditionFault> {
    let mut test = LfsTest { locks: members.locks == Some(true), ..LfsTest::default() };
    let Some(operations) = &members.operations else {
        return if test.locks {
            Ok((test, None))
        } else {
            Err(at("operations", GitFault::NoOperation))
        };
    };
    for operation in operations {
        match operation.as_str() {
            "download" => test.download = true,
            "upload" => test.upload = true,
            _ => return Err(at("operations", GitFault::Operations)),
        }
    }
    if !test.has_batches() {
        return Err(at("operations", GitFault::Operations));
    }
    let batch = json!({"operation": operations, "*": {}});
    let batch = reader.at("operations", |reader| reader.names(&batch, Place::Json))?;
    Ok((test, Some(batch)))
}
