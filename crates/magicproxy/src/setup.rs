//! The setup of an unmodified client for the proxy: variables, commands, files.
//!
//! Clients are data ([`clients`]); the API at the proxy is a [`target::Target`]; a [`Setup`] is a
//! client's setup method filled in with a target. No magic token ever becomes part of a [`Setup`]:
//! a setup holds places for the token, filled by a shell or by `run`.

mod any_program;
pub(crate) mod assignment;
mod choice;
pub(crate) mod clients;
pub(crate) mod public_url;
pub(crate) mod recipes;
pub(crate) mod shell;
pub(crate) mod table;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::collections::BTreeSet;

use magicproxy_config::providers::client::{SetupMethod, SetupNeeds};
use table::Client;
use target::Target;
use value::{TemplateSources, Value};

/// The setup of one client for one API at the proxy. Made by [`Setup::new`].
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) client: &'static Client,
    /// The name of the upstream.
    pub(crate) upstream: String,
    /// The API's place at the proxy: a URL without a final `/`, or `unix:PATH`.
    pub(crate) api: String,
    /// Variables to set, in the table's order.
    pub(crate) variables: Vec<(&'static str, Value)>,
    /// Settings of git, given to git in numbered variables.
    pub(crate) git_settings: Vec<(Value, Value)>,
    /// Variables to remove: they would win over ours, or bring the real credential along.
    pub(crate) removed: Vec<&'static str>,
    /// Arguments before those of the client.
    pub(crate) arguments: Vec<String>,
    /// Commands to run once, as words.
    pub(crate) commands: Vec<Vec<Value>>,
    /// Files to write, by their names.
    pub(crate) files: Vec<(&'static str, Value)>,
    /// A folder with one file, for `run`: a client's settings that no variable can give. The file
    /// holds no secret.
    pub(crate) folder: Option<SettingsFolder>,
    /// Lines to write into a program, or to type.
    pub(crate) usage: Vec<String>,
    /// Notes for the user.
    pub(crate) notes: Vec<String>,
}

/// A folder named by a variable.
#[derive(Debug)]
pub(crate) struct SettingsFolder {
    pub(crate) variable: &'static str,
    pub(crate) file: &'static str,
    pub(crate) content: Value,
}

impl Setup {
    /// Fills in a client's setup method for a target.
    pub(crate) fn new(
        client: &'static Client,
        method: &'static SetupMethod,
        target: &Target,
        token_file: Option<&str>,
    ) -> Self {
        let places = TemplateSources { target, token_file };
        let fill = |template: &str| Value::fill(template, &places);
        let pairs = |pairs: &'static [(&'static str, &'static str)]| {
            pairs.iter().map(move |(name, text)| (*name, *text))
        };
        let mut variables: Vec<_> =
            pairs(method.variables).map(|(name, text)| (name, fill(text))).collect();
        let mut git_settings: Vec<_> =
            pairs(method.git_settings).map(|(name, text)| (fill(name), fill(text))).collect();
        if let Some(file) = &target.ca_file {
            variables.extend(method.ca_variables.iter().map(|name| (*name, Value::text(file))));
            git_settings.extend(method.git_ca_setting.map(|name| (fill(name), Value::text(file))));
        }
        let ca_notes = if target.ca_file.is_some() { method.ca_notes } else { &[] };
        if token_file.is_none() && method.exports_token {
            variables.push((shell::TOKEN_VARIABLE, Value::token()));
        }
        let is_set = |name: &&str| variables.iter().any(|(set, _)| set == name);
        // Neither the client's other settings nor its child processes find the real credential.
        let credentials = target.preset.into_iter().flat_map(table::credential_variables);
        let removed: BTreeSet<&str> = method
            .removed
            .iter()
            .copied()
            .chain(credentials)
            .filter(|name| !is_set(name))
            .collect();
        Self {
            client,
            upstream: target.name.clone(),
            api: match (method.needs, &target.unix_socket) {
                (SetupNeeds::Socket, Some(socket)) => format!("unix:{socket}"),
                _ => target.api(),
            },
            variables,
            git_settings,
            removed: removed.into_iter().collect(),
            arguments: method.arguments.iter().map(|word| fill(word).without_token()).collect(),
            commands: method
                .commands
                .iter()
                .map(|words| words.iter().map(|word| fill(word)).collect())
                .collect(),
            files: pairs(method.files).map(|(name, text)| (name, fill(text))).collect(),
            folder: method.folder.map(|(variable, file, text)| SettingsFolder {
                variable,
                file,
                content: fill(text),
            }),
            usage: method.usage.iter().map(|line| fill(line).without_token()).collect(),
            notes: method
                .notes
                .iter()
                .chain(ca_notes)
                .map(|line| fill(line).without_token())
                .collect(),
        }
    }

    /// Returns every variable, the settings of git numbered from `first` (git-config(1),
    /// `GIT_CONFIG_COUNT`).
    pub(crate) fn numbered(&self, first: usize) -> Vec<(String, Value)> {
        let mut all: Vec<(String, Value)> = self
            .variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if self.git_settings.is_empty() {
            return all;
        }
        all.push((
            "GIT_CONFIG_COUNT".to_owned(),
            Value::text(&(first + self.git_settings.len()).to_string()),
        ));
        for (number, (key, value)) in (first..).zip(&self.git_settings) {
            all.push((format!("GIT_CONFIG_KEY_{number}"), key.clone()));
            all.push((format!("GIT_CONFIG_VALUE_{number}"), value.clone()));
        }
        all
    }

    /// Returns the command that prints the client's recipe, if the client has a recipe.
    pub(crate) fn recipe(&self) -> Option<String> {
        recipes::of(self.client.name)
            .map(|_| format!("magicproxy env {} --recipe", self.client.name))
    }
}
