//! The tables of the upstreams, and the check that no two upstreams conflict.

use std::collections::HashSet;
use std::sync::Arc;

use magicproxy_core::{PatternMode, UnnamedTokens};
use magicproxy_proxy::settings::UpstreamSettings;

use super::{GeneralSettings, RawUpstream};
use crate::config::check::{Checker, list, said};
use crate::config::raw::RawConfig;
use crate::config::setting::Section as _;
use crate::ground::fault::{Fault, Origin};
use crate::providers::PresetChoice;

/// An upstream as written, with the name of the table.
pub(in crate::config) struct Table<'r> {
    /// `upstream` or `upstreams.NAME`.
    pub(in crate::config) key: String,
    /// The NAME in `upstreams.NAME`.
    pub(super) name: Option<&'r str>,
    pub(in crate::config) raw: &'r RawUpstream,
    /// The treatment of tokens that name no upstream.
    pub(super) unnamed: UnnamedTokens,
}

/// Returns every upstream that is described: `[upstream]` first, unless other upstreams are
/// described and `[upstream]` is not.
pub(in crate::config) fn tables(raw: &RawConfig) -> Vec<Table<'_>> {
    let is_spoken_of = raw.upstreams.is_empty() || !raw.upstream.entries("").is_empty();
    let single = is_spoken_of.then(|| ("upstream".to_owned(), None, &raw.upstream));
    let named = raw
        .upstreams
        .iter()
        .map(|(name, raw)| (format!("upstreams.{name}"), Some(name.as_str()), raw));
    let described: Vec<_> = single.into_iter().chain(named).collect();
    let is_alone = described.len() == 1;
    let table = |(key, name, raw): (String, Option<_>, _)| {
        let unnamed =
            if name.is_none() || is_alone { UnnamedTokens::Accept } else { UnnamedTokens::Refuse };
        Table { key, name, raw, unnamed }
    };
    described.into_iter().map(table).collect()
}

impl Table<'_> {
    pub(in crate::config) fn key(&self, setting: &str) -> String {
        format!("{}.{setting}", self.key)
    }

    /// Returns the way in which the upstream's patterns are matched, and the patterns of scopes for
    /// its tokens.
    pub(in crate::config) fn patterns(&self) -> PatternMode {
        match said(&self.raw.danger_prefix_matching) {
            true => PatternMode::DangerPrefix,
            false => PatternMode::Whole,
        }
    }

    /// Returns the place of the table, as far as known.
    pub(super) fn origin(&self) -> Origin {
        let mut origins = self.raw.entries("").into_iter().map(|entry| entry.origin);
        origins.find(|origin| matches!(origin, Origin::File(_))).cloned().unwrap_or(Origin::Default)
    }
}

/// Returns the API root of each upstream's preset, in the order of the upstreams, even if the
/// upstream has another root configured.
pub(in crate::config) fn preset_roots(raw: &RawConfig) -> Vec<Option<&'static str>> {
    tables(raw)
        .iter()
        .map(|table| PresetChoice::root_of(table.raw.preset.given()?.value.name()))
        .collect()
}

impl Checker<'_> {
    /// Checks every described upstream; `None` if one has a fault.
    pub(in crate::config) fn upstreams(
        &mut self,
        raw: &RawConfig,
    ) -> Option<Vec<Arc<UpstreamSettings>>> {
        let tables = tables(raw);
        self.distinct(&tables);
        let mut general = self.general(raw, &tables);
        let checked: Vec<_> =
            tables.iter().map(|table| self.upstream(&mut general, table)).collect();
        let checked: Vec<_> = checked.into_iter().collect::<Option<_>>()?;
        self.distinct_from_the_unnamed(&tables, &checked);
        self.pass_no_carriers(&tables, &checked);
        self.no_pages_beside_an_open_mint(&tables, &checked);
        Some(checked)
    }

    /// Checks the settings for all of these upstreams. The faults are kept apart, to be reported
    /// with the first upstream that uses the settings.
    fn general<'r>(&mut self, raw: &'r RawConfig, tables: &[Table<'_>]) -> GeneralSettings<'r> {
        let ((scopes, minting), faults) = self
            .apart(|checker| (checker.scopes(raw, tables), checker.general_minting(raw, tables)));
        let (outbound, outbound_faults) =
            self.apart(|checker| checker.general_outbound(raw, tables));
        GeneralSettings { raw, scopes, minting, outbound, faults, outbound_faults }
    }

    /// Reports upstreams with the same name, mount or host.
    fn distinct(&mut self, tables: &[Table<'_>]) {
        let mut seen = HashSet::new();
        for table in tables {
            let mut claims: Vec<(&str, String)> = Vec::new();
            let name = table.raw.name.given().map(|given| given.value.as_str()).or(table.name);
            if let Some(name) = name {
                claims.push(("name", name.to_owned()));
            }
            let mount = match table.raw.mount.given() {
                Some(given) => given.value.trim_matches('/'),
                None => table.name.unwrap_or_default(),
            };
            claims.push(("mount", format!("/{mount}")));
            for host in list(&table.raw.hosts) {
                claims.push(("host", host.value.to_lowercase()));
            }
            for (what, claim) in claims {
                if !seen.insert((what, claim.clone())) {
                    self.fault(
                        format!("{}: the {what} `{claim}` is taken by another upstream", table.key),
                        &table.origin(),
                    );
                }
            }
        }
    }

    /// Reports a table with the name that `[upstream]` has from its API root, or with the alias by
    /// which tokens may name `[upstream]`.
    fn distinct_from_the_unnamed(
        &mut self,
        tables: &[Table<'_>],
        checked: &[Arc<UpstreamSettings>],
    ) {
        let (Some(table), Some((first, others))) = (tables.first(), checked.split_first()) else {
            return;
        };
        if table.name.is_some() || table.raw.name.given().is_some() {
            return;
        }
        for name in [Some(&first.name), first.alias.as_ref()].into_iter().flatten() {
            if others.iter().any(|other| other.name == *name) {
                let message =
                    format!("{}: the name `{name}` is taken by another upstream", table.key);
                self.faults.push(
                    Fault::new(message, table.origin())
                        .help("say how it is to be called: `upstream.name = \"…\"`"),
                );
            }
        }
    }
}
