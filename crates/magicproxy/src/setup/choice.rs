//! The choice of the API at the proxy for a client: the API named by flags, or the only API that
//! the client can speak to.

use super::table::Client;
use super::target::{Target, Targets};
use crate::ground::failure::Failure;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::suggest::nearest;
use magicproxy_config::ground::text::harmless;
use magicproxy_config::providers::PresetChoice;
use magicproxy_config::providers::client::{SetupMethod, SetupNeeds};

impl Targets {
    /// Chooses the API for a client, and its setup method.
    pub(crate) fn choose(
        &self,
        client: &'static Client,
    ) -> Result<(Target, &'static SetupMethod), Failure> {
        let target = match self {
            Self::Named(target) => named(client, target)?,
            Self::Configured { targets, wanted: Some(name) } => wanted(client, targets, name)?,
            Self::Configured { targets, wanted: None } => only(client, targets)?,
        };
        method(client, &target)
    }

    /// Chooses a client's setup method for an API at the proxy that is already known.
    pub(super) fn lead(
        client: &'static Client,
        target: &Target,
    ) -> Result<(Target, &'static SetupMethod), Failure> {
        method(client, &wanted(client, std::slice::from_ref(target), &target.name)?)
    }
}

/// Returns the client's first setup method whose needs are met.
fn method(
    client: &'static Client,
    target: &Target,
) -> Result<(Target, &'static SetupMethod), Failure> {
    let methods = client.methods.iter().filter(|method| method.serves(target.preset));
    methods.filter_map(|method| Some((met(method.needs, target)?, method))).next().ok_or_else(|| {
        Failure::usage(format!(
            "`{}` cannot be led to {}: it needs the proxy's Unix socket (--socket PATH), or an https URL without a path, \
             such as one of the upstream's `hosts`",
            client.name,
            target.api()
        ))
    })
}

/// Returns the target in the form needed by the client, if the target has that form.
fn met(needs: SetupNeeds, target: &Target) -> Option<Target> {
    match needs {
        SetupNeeds::Nothing => Some(target.clone()),
        SetupNeeds::Socket => target.unix_socket.is_some().then(|| target.clone()),
        SetupNeeds::HttpsRoot => {
            target.at_a_root().filter(|target| target.public_url.scheme() == "https")
        }
    }
}

fn named(client: &Client, target: &Target) -> Result<Target, Failure> {
    match (target.preset, client.presets().as_slice()) {
        (kind, _) if client.speaks(kind) => Ok(target.clone()),
        (None, [only]) => {
            Ok(Target { name: (*only).to_owned(), preset: Some(only), ..target.clone() })
        }
        (kind, presets) => {
            let kinds = or_list(presets);
            Err(Failure::usage(match kind {
                Some(kind) => format!("--upstream `{kind}`: `{}` speaks to {kinds}", client.name),
                None => format!(
                    "`{}` speaks to {kinds}: say with --upstream which of them this is",
                    client.name
                ),
            }))
        }
    }
}

fn wanted(client: &Client, targets: &[Target], name: &str) -> Result<Target, Failure> {
    let Some(target) = targets.iter().find(|target| target.is_called(name)) else {
        let names = targets.iter().map(|target| target.name.as_str());
        let meant = nearest(name, names.clone()).map_or_else(
            || format!("there is {}", or_list(&names.collect::<Vec<_>>())),
            |meant| format!("did you mean `{meant}`?"),
        );
        return Err(Failure::usage(format!(
            "--upstream `{}`: no upstream has this name: {meant}",
            harmless(name)
        )));
    };
    match (target.preset, client.presets().as_slice()) {
        (kind, _) if client.speaks(kind) => Ok(target.clone()),
        // The operator knows the kind of an upstream without a preset: here the client's only kind.
        (None, [only]) => Ok(Target { preset: Some(only), ..target.clone() }),
        (None, presets) => Err(Failure::usage(format!(
            "upstream `{name}` has no preset: `{}` speaks to {}",
            client.name,
            or_list(presets)
        ))),
        (Some(kind), presets) => {
            let kinds = or_list(presets);
            Err(Failure::usage(format!(
                "upstream `{name}` is `{kind}`, and `{}` speaks to {kinds}",
                client.name
            )))
        }
    }
}

fn only(client: &Client, targets: &[Target]) -> Result<Target, Failure> {
    match targets
        .iter()
        .filter(|target| client.speaks(target.preset))
        .collect::<Vec<_>>()
        .as_slice()
    {
        [target] => Ok((*target).clone()),
        [] => Err(Faults::one(none_serves(client, targets)).into()),
        several => {
            let names: Vec<&str> = several.iter().map(|target| target.name.as_str()).collect();
            Err(Failure::usage(format!(
                "`{}` could speak to {}: say which with --upstream",
                client.name,
                or_list(&names)
            )))
        }
    }
}

fn none_serves(client: &Client, targets: &[Target]) -> Fault {
    let presets = client.presets();
    let kinds = or_list(&presets);
    let preset = presets.first().copied().unwrap_or_default();
    let last = if PresetChoice::root_of(preset).is_some() {
        format!("mount = \"/{preset}\"")
    } else {
        "api_root = \"https://…\"".to_owned()
    };
    let unknown = targets.iter().find(|target| target.preset.is_none());
    let unknown = unknown.map_or_else(String::new, |target| {
        format!("; if `{0}` is one, say --upstream {0}", target.name)
    });
    Fault::new(format!("no configured upstream serves `{}`, which speaks to {kinds}", client.name), Origin::Default).help(format!(
        "say with --proxy where a proxy serves it{unknown}; or configure it:\n[upstreams.{preset}]\npreset = \"{preset}\"\n{last}"
    ))
}

/// Lists words as `` `a`, `b` or `c` ``.
pub(super) fn or_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
