//! The assignment of tokens to clients and APIs: a token's statements about itself must fit the API
//! that the token would be sent to.
//!
//! Nothing read of a token here is proved. The check only keeps honest tokens from going to the
//! wrong place.

use serde_json::Value as Json;

use super::Setup;
use super::choice::or_list;
use super::clients::CLIENTS;
use super::table::{Client, JSON_VARIABLES};
use super::target::{Target, Targets};
use super::value::{Piece, Value};
use crate::ground::failure::Failure;
use magicproxy_config::ground::text::harmless;
use magicproxy_config::providers::PresetChoice;
use magicproxy_config::providers::client::SetupMethod;

/// The facts of a magic token that decide its destination. Claimed by the token, never verified
/// here.
#[derive(Debug)]
pub(crate) struct TokenDestination {
    /// The upstream named by the token's holder: `NAME=FILE`.
    pub(crate) name: Option<String>,
    /// The token's name in messages.
    pub(crate) shown: String,
    /// The claim `aud`, if the token has the claim.
    pub(crate) audience: Option<String>,
    /// The absolute path of the token's file, if the file can be read again.
    pub(crate) file: Option<String>,
}

/// The clients to set up.
#[derive(Debug)]
pub(crate) enum ClientSelection {
    /// All of the listed clients, or none.
    These(Vec<&'static Client>),
    /// A program, and the client known by the program's name.
    Program(Option<&'static Client>),
    /// As many clients as can be set up.
    All,
}

/// The setup of one client, with the API and the token for it.
#[derive(Debug)]
pub(crate) struct ClientSetup {
    pub(crate) setup: Setup,
    pub(crate) target: Target,
    /// The index of the client's token; none where the shell's variable holds a token.
    pub(crate) bearer: Option<usize>,
}

/// The tokens, and the destination of each as far as known.
struct Assignment<'a> {
    targets: &'a Targets,
    bearers: &'a [TokenDestination],
    destinations: Vec<Option<Target>>,
}

/// Sets clients up for APIs. Every token goes to some client, and none to a client of another API.
pub(crate) fn assign(
    targets: &Targets,
    wanted: &ClientSelection,
    bearers: &[TokenDestination],
) -> Result<Vec<ClientSetup>, Failure> {
    targets.ensure_clear(bearers)?;
    let destinations =
        bearers.iter().map(|bearer| targets.destination(bearer)).collect::<Result<_, _>>()?;
    let assignment = Assignment { targets, bearers, destinations };
    let mut told = match wanted {
        ClientSelection::These(clients) => assignment.these(clients)?,
        ClientSelection::Program(client) => assignment.program(*client)?,
        ClientSelection::All => assignment.all()?,
    };
    merge_json(&mut told);
    let set: Vec<&str> =
        told.iter().flat_map(|told| told.setup.variables.iter().map(|(name, _)| *name)).collect();
    told.iter_mut().for_each(|told| told.setup.removed.retain(|name| !set.contains(name)));
    match told.iter().enumerate().find_map(|(at, later)| clash(told.get(..at)?, later)) {
        Some(failure) => Err(failure),
        None => Ok(told),
    }
}

fn clash(earlier: &[ClientSetup], later: &ClientSetup) -> Option<Failure> {
    let (one, name) = earlier.iter().find_map(|one| Some((one, contradiction(one, later)?)))?;
    Some(Failure::usage(match (one.setup.client.name, later.setup.client.name) {
        (one, other) if one == other => {
            format!("`{one}` is to be told of two APIs by {name}: run it once for each")
        }
        (one, other) => format!("`{one}` and `{other}` want two values for {name}: run them apart"),
    }))
}

/// Finds a variable for which two clients need different values.
fn contradiction(left: &ClientSetup, right: &ClientSetup) -> Option<&'static str> {
    let of_left = |name: &str| {
        left.setup.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    let differs = |name: &str, value: &Value| {
        let other = of_left(name)?;
        let tokens = value.pieces().iter().any(Piece::is_token) && left.bearer != right.bearer;
        Some(!JSON_VARIABLES.contains(&name) && (other != value || tokens))
    };
    right
        .setup
        .variables
        .iter()
        .find(|(name, value)| differs(name, value) == Some(true))
        .map(|(name, _)| *name)
}

/// Gives each variable that holds JSON the merged values of all clients.
fn merge_json(told: &mut [ClientSetup]) {
    for name in JSON_VARIABLES {
        let values =
            told.iter().flat_map(|told| &told.setup.variables).filter(|(known, _)| known == name);
        let parsed = values
            .filter_map(|(_, value)| serde_json::from_str::<Json>(&value.without_token()).ok());
        let Some(merged) = parsed.reduce(merged) else { continue };
        let value = Value::text(&merged.to_string());
        let all = told
            .iter_mut()
            .flat_map(|told| &mut told.setup.variables)
            .filter(|(known, _)| known == name);
        all.for_each(|(_, old)| value.clone_into(old));
    }
}

fn merged(left: Json, right: Json) -> Json {
    match (left, right) {
        (Json::Object(mut left), Json::Object(right)) => {
            for (name, value) in right {
                let value = match left.remove(&name) {
                    Some(old) => merged(old, value),
                    None => value,
                };
                left.insert(name, value);
            }
            Json::Object(left)
        }
        (_, right) => right,
    }
}

impl Assignment<'_> {
    /// Sets up the listed clients, each of which needs a token for an API that it speaks to.
    fn these(&self, clients: &[&'static Client]) -> Result<Vec<ClientSetup>, Failure> {
        let mut told = Vec::new();
        for client in clients {
            let of_client = self.told_to(client)?;
            if of_client.is_empty() {
                return Err(self.nothing_for(client));
            }
            told.extend(of_client);
        }
        self.and_the_rest(told)
    }

    /// Sets up a program: as its client for the tokens of the client's APIs, as any program for the
    /// other tokens.
    fn program(&self, client: Option<&'static Client>) -> Result<Vec<ClientSetup>, Failure> {
        let told = client.map(|client| self.told_to(client)).transpose()?.unwrap_or_default();
        self.and_the_rest(told)
    }

    /// Sets up all clients of each API, without clients that contradict an earlier client.
    fn all(&self) -> Result<Vec<ClientSetup>, Failure> {
        let mut told: Vec<ClientSetup> = Vec::new();
        for client in CLIENTS {
            // A client that cannot be set up is left out.
            let Ok(of_client) = self.told_to(client) else { continue };
            for mut later in of_client {
                // Files and arguments are left out, and a client that needs them is set up
                // nevertheless: `all` cannot know which client will run.
                later.setup.files = Vec::new();
                later.setup.arguments = Vec::new();
                if told.iter().all(|earlier| contradiction(earlier, &later).is_none()) {
                    told.push(later);
                }
            }
        }
        if told.is_empty() {
            return Err(Failure::usage(
                "no client can be told: say which upstream with --upstream, or name a --client",
            ));
        }
        self.and_the_rest(told)
    }

    /// Sets up one client for every API that the client speaks to and that has a token.
    fn told_to(&self, client: &'static Client) -> Result<Vec<ClientSetup>, Failure> {
        if self.bearers.is_empty() {
            return Ok(vec![self.told(client, self.targets.choose(client)?, None)]);
        }
        let mut told = Vec::new();
        for (at, target) in self.destinations.iter().enumerate() {
            if let Some(target) = target.as_ref().filter(|target| client.can_speak(target.preset)) {
                told.push(self.told(client, Targets::lead(client, target)?, Some(at)));
            }
        }
        let open: Vec<usize> = (0..)
            .zip(&self.destinations)
            .filter(|(_, target)| target.is_none())
            .map(|(at, _)| at)
            .collect();
        if let (true, [only]) = (told.is_empty(), open.as_slice()) {
            told.push(self.told(client, self.targets.choose(client)?, Some(*only)));
        }
        Ok(told)
    }

    /// Adds the setup of any program for the tokens not assigned yet.
    fn and_the_rest(&self, mut told: Vec<ClientSetup>) -> Result<Vec<ClientSetup>, Failure> {
        for (at, target) in self.destinations.iter().enumerate() {
            if told.iter().any(|told| told.bearer == Some(at)) {
                continue;
            }
            let led = match target {
                Some(target) => Targets::lead(Client::any(), target)?,
                None => self.targets.choose(Client::any())?,
            };
            told.push(self.told(Client::any(), led, Some(at)));
        }
        Ok(told)
    }

    fn told(
        &self,
        client: &'static Client,
        (target, method): (Target, &'static SetupMethod),
        bearer: Option<usize>,
    ) -> ClientSetup {
        let file = bearer.and_then(|at| self.bearers.get(at)?.file.as_deref());
        ClientSetup { setup: Setup::new(client, method, &target, file), target, bearer }
    }

    fn nothing_for(&self, client: &Client) -> Failure {
        let kinds = or_list(&client.presets());
        let of = |(bearer, target): (&TokenDestination, &Option<Target>)| {
            let name = target.as_ref().map_or("several APIs", |target| target.name.as_str());
            format!("`{}` is for `{}`", bearer.shown, harmless(name))
        };
        let tokens: Vec<String> = self.bearers.iter().zip(&self.destinations).map(of).collect();
        let example = client.presets().first().copied().unwrap_or_default();
        Failure::usage(format!(
            "`{}` speaks to {kinds}, and {}: it needs a token of its own (--token-file {example}=FILE)",
            client.name,
            tokens.join(", ")
        ))
    }
}

impl Targets {
    fn all(&self) -> &[Target] {
        match self {
            Self::Configured { targets, .. } => targets,
            Self::Named(target) => std::slice::from_ref(target),
        }
    }

    fn wanted(&self) -> Option<&str> {
        match self {
            Self::Configured { wanted, .. } => wanted.as_deref(),
            Self::Named(_) => None,
        }
    }

    fn ensure_clear(&self, bearers: &[TokenDestination]) -> Result<(), Failure> {
        if bearers.len() > 1 && self.wanted().is_some() {
            return Err(Failure::usage(
                "--upstream is for one token: of several, say of each `--token-file NAME=FILE`",
            ));
        }
        Ok(())
    }

    /// Finds the destination of a token, by its holder's word or by the token's own. An error,
    /// where the two do not fit.
    fn destination(&self, bearer: &TokenDestination) -> Result<Option<Target>, Failure> {
        let asked = bearer.name.as_deref().or_else(|| self.wanted());
        let target = match (asked, &bearer.audience) {
            (Some(name), _) => Some(self.named(name, bearer)?),
            (None, Some(audience)) => self.of_audience(audience),
            (None, None) => None,
        };
        let Some(audience) = &bearer.audience else { return Ok(target) };
        let refused = match &target {
            Some(target) => (!target.may_take(audience))
                .then(|| format!("`{}` at {}", target.name, target.api())),
            None if self.all().iter().any(|target| target.may_take(audience)) => None,
            None => Some(or_list(
                &self.all().iter().map(|target| target.name.as_str()).collect::<Vec<_>>(),
            )),
        };
        match refused {
            None => Ok(target),
            Some(there) => Err(Failure::usage(format!(
                "`{}` is a token for `{}`, and would be sent to {there}: the proxy would refuse it",
                bearer.shown,
                harmless(audience)
            ))),
        }
    }

    /// Finds the target named by an `aud`.
    fn of_audience(&self, audience: &str) -> Option<Target> {
        let all = self.all();
        if let Some(target) = all.iter().find(|target| target.is_called(audience)) {
            return Some(target.clone());
        }
        let [only] = all else { return None };
        match (only.preset, kind_of(audience)) {
            (None, Some(kind)) if only.name_is_guessed => {
                Some(Target { name: kind.to_owned(), preset: Some(kind), ..only.clone() })
            }
            (Some(_), _) if only.name_is_guessed => Some(only.clone()),
            _ => None,
        }
    }

    /// Finds the target with a name, or the only target of a kind of API with the name.
    fn named(&self, name: &str, bearer: &TokenDestination) -> Result<Target, Failure> {
        let all = self.all();
        if let Some(target) = all.iter().find(|target| target.is_called(name)) {
            return Ok(target.clone());
        }
        let of_kind: Vec<&Target> =
            all.iter().filter(|target| target.preset == Some(name)).collect();
        match (of_kind.as_slice(), all) {
            ([target], _) => Ok((*target).clone()),
            ([], [only]) if only.name_is_guessed && only.preset.is_none() => {
                Ok(Target { name: name.to_owned(), preset: kind_of(name), ..only.clone() })
            }
            ([], _) => {
                let known =
                    or_list(&all.iter().map(|target| target.name.as_str()).collect::<Vec<_>>());
                let what = if bearer.name.is_some() { "--token-file" } else { "--upstream" };
                Err(Failure::usage(format!(
                    "{what} `{}`: no upstream has this name: there is {known}",
                    harmless(name)
                )))
            }
            (several, _) => {
                let names =
                    or_list(&several.iter().map(|target| target.name.as_str()).collect::<Vec<_>>());
                Err(Failure::usage(format!("`{name}` could be {names}: name one of them")))
            }
        }
    }
}

impl Target {
    /// True if the proxy may accept a token with this `aud` for the target. Where the proxy's name
    /// for the upstream is not known, only another kind of API is certain to be wrong.
    fn may_take(&self, audience: &str) -> bool {
        let of_kind =
            || kind_of(audience).is_none_or(|kind| self.preset.is_none_or(|preset| preset == kind));
        self.is_called(audience) || self.name_is_guessed && of_kind()
    }
}

/// Finds the kind of API by its name or its host.
fn kind_of(name: &str) -> Option<&'static str> {
    let root = |kind: &&str| {
        PresetChoice::root_of(kind).and_then(|root| root.strip_prefix("https://")) == Some(name)
    };
    PresetChoice::apis().find(|kind| *kind == name || root(kind))
}
