//! The name of an upstream, and the mount, hosts and paths by which clients reach the upstream.

use magicproxy_core::UpstreamName;
use magicproxy_proxy::settings::{
    ApiRoot, HostName, MountPath, PathMapping, PathTarget, RouteSettings,
};

use super::Table;
use crate::config::check::{Checker, list};
use crate::config::setting::{GivenValue, Setting};
use crate::providers::PresetChoice;

impl Checker<'_> {
    /// Returns the name of an upstream: the setting, else the name of the table, else the name of
    /// the preset with this API root, else host and port of the API root.
    pub(super) fn name(
        &mut self,
        table: &Table<'_>,
        api_root: Option<&ApiRoot>,
    ) -> Option<UpstreamName> {
        const EXPECTED: &str = "expected 1 to 255 characters of `A-Z a-z 0-9 . _ : - [ ]`";
        let parse = |text: &str| UpstreamName::parse(text).ok_or_else(|| EXPECTED.to_owned());
        match (table.raw.name.given(), table.name) {
            (Some(_), _) => self.text(&table.key("name"), &table.raw.name, parse),
            (None, Some(name)) => parse(name)
                .map_err(|text| self.fault(format!("{}: {text}", table.key), &table.origin()))
                .ok(),
            (None, None) => {
                let root = api_root?;
                let preset = PresetChoice::of_root(&root.to_string()).map(PresetChoice::name);
                UpstreamName::parse(preset.unwrap_or_else(|| root.authority().as_str()))
            }
        }
    }

    /// Checks mount, hosts and further paths.
    pub(super) fn routes(&mut self, table: &Table<'_>) -> Option<RouteSettings> {
        let mount = match (table.raw.mount.given(), table.name) {
            (Some(given), _) => self.mount(&table.key("mount"), given),
            (None, None) => Some(MountPath::default()),
            (None, Some(name)) => MountPath::parse(&format!("/{name}"))
                .map_err(|_| {
                    self.fault(
                        format!("{} is needed: `/{name}` is no mount", table.key("mount")),
                        &table.origin(),
                    )
                })
                .ok(),
        };
        let mut hosts = Vec::new();
        for given in list(&table.raw.hosts) {
            match HostName::parse(&given.value) {
                Some(host) => hosts.push(host),
                None => self.fault(
                    format!("{} `{}`: expected a host", table.key("hosts"), given.value),
                    &given.origin,
                ),
            }
        }
        let paths = self.paths(table);
        Some(RouteSettings { mount: mount?, hosts, paths })
    }

    fn mount(&mut self, key: &str, given: &GivenValue<String>) -> Option<MountPath> {
        let parsed = MountPath::parse(&given.value);
        parsed
            .map_err(|error| self.fault(format!("{key} `{}`: {error}", given.value), &given.origin))
            .ok()
    }

    fn paths(&mut self, table: &Table<'_>) -> Vec<PathMapping> {
        let mut paths = Vec::new();
        let key = table.key("paths");
        let Some(written) = table.raw.paths.given() else { return paths };
        for (prefix, given) in &written.value {
            let from = GivenValue { value: prefix.clone(), origin: given.origin.clone() };
            let prefix = self.mount(&key, &from).filter(|prefix| !prefix.is_root());
            let to = if given.value.starts_with('/') {
                self.mount(&format!("{key}.{}", from.value), given).map(PathTarget::Path)
            } else {
                let setting = Setting::new(given.value.clone(), given.origin.clone());
                let origin = self.text(&format!("{key}.{}", from.value), &setting, path_origin);
                origin.map(PathTarget::Origin)
            };
            if let (Some(prefix), Some(to)) = (prefix, to) {
                paths.push(PathMapping { prefix, to });
            }
        }
        paths
    }
}

fn path_origin(text: &str) -> Result<ApiRoot, String> {
    ApiRoot::parse(text).map_err(|error| format!("expected a path, or a URL: {error}"))
}

/// Returns host and port of the API root, if the upstream had its name from the root before presets
/// gave names.
pub(super) fn alias(
    table: &Table<'_>,
    name: Option<&UpstreamName>,
    api_root: Option<&ApiRoot>,
) -> Option<UpstreamName> {
    let unnamed = table.name.is_none() && table.raw.name.given().is_none();
    let host = UpstreamName::parse(api_root.filter(|_| unnamed)?.authority().as_str());
    host.filter(|host| Some(host) != name)
}
