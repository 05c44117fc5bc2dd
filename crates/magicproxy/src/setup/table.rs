//! The table of clients: what an entry says. The entries are in [`clients`](super::clients).

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
    pub(crate) ways: &'static [Way],
}

/// One way of telling a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// The kind of API, or [`ANY`].
    pub(crate) preset: &'static str,
    pub(crate) needs: Needs,
    pub(crate) variables: &'static [(&'static str, &'static str)],
    pub(crate) git_settings: &'static [(&'static str, &'static str)],
    /// Is the token's variable needed where no file is named, because something reads it later?
    pub(crate) exports_token: bool,
    pub(crate) removed: &'static [&'static str],
    /// Arguments before those of the caller, where no variable can tell the client. They hold no secret.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) commands: &'static [&'static [&'static str]],
    /// Private files: name and content.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// A folder for `run`: its variable, the file in it, the file's content.
    pub(crate) folder: Option<(&'static str, &'static str, &'static str)>,
    /// The variables that name the file of certificate authorities.
    pub(crate) ca_variables: &'static [&'static str],
    pub(crate) git_ca_setting: Option<&'static str>,
    /// What is good to know where a file of certificate authorities is named.
    pub(crate) ca_notes: &'static [&'static str],
    pub(crate) usage: &'static [&'static str],
    pub(crate) notes: &'static [&'static str],
}

/// The preset of a way that serves every kind of API.
pub(crate) const ANY: &str = "*";

/// What a way needs of the target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
    Nothing,
    /// A Unix socket of the proxy.
    Socket,
    /// An https origin, without a path.
    HttpsRoot,
}

impl Way {
    /// Does it serve this kind of API, or one of which nobody knows the kind?
    pub(crate) fn serves(&self, preset: Option<&str>) -> bool {
        self.preset == ANY || preset == Some(self.preset)
    }
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
    let kin = match preset {
        "github" | "github-git" => ["github", "github-git"],
        other => [other, other],
    };
    let of_kin = CLIENTS.iter().flat_map(|client| client.ways).filter(move |way| kin.contains(&way.preset));
    of_kin.flat_map(|way| {
        let given = way.variables.iter().filter(|(_, template)| template.contains("token}")).map(|(name, _)| *name);
        given.chain(way.removed.iter().copied().filter(|name| holds_credential(name)))
    })
}

fn holds_credential(name: &str) -> bool {
    ["TOKEN", "KEY", "SECRET", "PASSWORD", "PEM"].iter().any(|word| name.contains(word))
}

/// A way that tells nothing.
pub(super) const NOTHING: Way = Way {
    preset: "",
    needs: Needs::Nothing,
    variables: &[],
    git_settings: &[],
    exports_token: false,
    removed: &[],
    arguments: &[],
    commands: &[],
    files: &[],
    folder: None,
    ca_variables: &[],
    git_ca_setting: None,
    ca_notes: &[],
    usage: &[],
    notes: &[],
};

/// Variables that hold JSON, in which what several ways say stands side by side.
pub(crate) const JSON_VARIABLES: &[&str] = &["OPENCODE_CONFIG_CONTENT"];
