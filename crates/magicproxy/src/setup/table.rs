//! The table of clients: the form of an entry. The entries are in [`clients`](super::clients).

use magicproxy_config::providers::Provider;
use magicproxy_config::providers::client::SetupMethod;

use super::clients::CLIENTS;

/// A program or library that speaks to an API.
#[derive(Debug)]
pub(crate) struct Client {
    /// The client's name, also the name of its recipe.
    pub(crate) name: &'static str,
    /// A description in one line.
    pub(crate) about: &'static str,
    /// The program names by which `run` recognises the client.
    pub(crate) programs: &'static [&'static str],
    /// The setup methods. For one preset, the first whose needs are met counts.
    pub(crate) methods: &'static [SetupMethod],
}

impl Client {
    /// True if the client speaks to an API of this preset.
    pub(crate) fn speaks(&self, preset: Option<&str>) -> bool {
        self.methods.iter().any(|method| method.serves(preset))
    }

    /// Returns the kinds of API that the client speaks to, in words of the table.
    pub(crate) fn presets(&self) -> Vec<&'static str> {
        let mut presets: Vec<_> = self.methods.iter().map(|method| method.preset).collect();
        presets.dedup();
        presets
    }

    /// Returns the client with a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        CLIENTS.iter().chain([Self::any()]).find(|client| client.name == name)
    }

    /// Returns the entry for every other program, set up by the variables that most clients of an
    /// API read.
    pub(crate) fn any() -> &'static Self {
        &super::any_program::ANY_PROGRAM
    }

    /// True if the client can be led to an API of this preset, or to an API of unknown kind.
    pub(crate) fn can_speak(&self, preset: Option<&str>) -> bool {
        self.speaks(preset) || preset.is_none() && self.presets().len() == 1
    }

    /// Returns the client that a program is, by the last part of the program's name.
    pub(crate) fn of_program(program: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.programs.contains(&program))
    }
}

/// Lists the variables in which credentials for a kind of API usually lie: variables set by the
/// table's setup methods, and variables that would win over them. A program beside the client may
/// read any of the variables.
pub(crate) fn credential_variables(preset: &str) -> impl Iterator<Item = &'static str> {
    let kin = Provider::named(preset).map_or(&[][..], |provider| provider.kin);
    let is_kin =
        move |method: &&SetupMethod| method.preset == preset || kin.contains(&method.preset);
    let of_kin = CLIENTS.iter().flat_map(|client| client.methods).filter(is_kin);
    of_kin.flat_map(|method| {
        let given = method
            .variables
            .iter()
            .filter(|(_, template)| template.contains("token}"))
            .map(|(name, _)| *name);
        given.chain(method.removed.iter().copied().filter(|name| holds_credential(name)))
    })
}

fn holds_credential(name: &str) -> bool {
    ["TOKEN", "KEY", "SECRET", "PASSWORD", "PEM"].iter().any(|word| name.contains(word))
}

/// Variables that hold JSON, merged where several setup methods set them.
pub(crate) const JSON_VARIABLES: &[&str] = &["OPENCODE_CONFIG_CONTENT"];
