//! The table of clients: what an entry says. The entries are in [`clients`](super::clients).

use magicproxy_config::providers::Provider;
use magicproxy_config::providers::client::SetupMethod;

use super::clients::CLIENTS;

/// A program or library that speaks to an API.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its name here and that of its recipe.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) about: &'static str,
    /// Programs by whose name `run` knows that they are this client.
    pub(crate) programs: &'static [&'static str],
    /// How it is told. For one preset, the first whose needs are met counts.
    pub(crate) ways: &'static [SetupMethod],
}

impl Client {
    /// Does it speak to this kind of API?
    pub(crate) fn speaks(&self, preset: Option<&str>) -> bool {
        self.ways.iter().any(|way| way.serves(preset))
    }

    /// The kinds of API that it speaks to, in words of the table.
    pub(crate) fn presets(&self) -> Vec<&'static str> {
        let mut presets: Vec<_> = self.ways.iter().map(|way| way.preset).collect();
        presets.dedup();
        presets
    }

    /// The client of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        CLIENTS.iter().chain([Self::any()]).find(|client| client.name == name)
    }

    /// Every other program, told by the variables that most clients of an API read.
    pub(crate) fn any() -> &'static Self {
        &super::any_program::ANY_PROGRAM
    }

    /// Can it be led to this kind of API, or to one of which nobody knows the kind?
    pub(crate) fn can_speak(&self, preset: Option<&str>) -> bool {
        self.speaks(preset) || preset.is_none() && self.presets().len() == 1
    }

    /// The client that a program is, by the last part of its name.
    pub(crate) fn of_program(program: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.programs.contains(&program))
    }
}

/// The variables in which credentials for a kind of API usually lie, whoever reads them: those into which the table's
/// clients are told to put a token, and those that would win over them.
pub(crate) fn credential_variables(preset: &str) -> impl Iterator<Item = &'static str> {
    let kin = Provider::named(preset).map_or(&[][..], |provider| provider.kin);
    let is_kin = move |way: &&SetupMethod| way.preset == preset || kin.contains(&way.preset);
    let of_kin = CLIENTS.iter().flat_map(|client| client.ways).filter(is_kin);
    of_kin.flat_map(|way| {
        let given = way
            .variables
            .iter()
            .filter(|(_, template)| template.contains("token}"))
            .map(|(name, _)| *name);
        given.chain(way.removed.iter().copied().filter(|name| holds_credential(name)))
    })
}

fn holds_credential(name: &str) -> bool {
    ["TOKEN", "KEY", "SECRET", "PASSWORD", "PEM"].iter().any(|word| name.contains(word))
}

/// Variables that hold JSON, in which what several ways say stands side by side.
pub(crate) const JSON_VARIABLES: &[&str] = &["OPENCODE_CONFIG_CONTENT"];
