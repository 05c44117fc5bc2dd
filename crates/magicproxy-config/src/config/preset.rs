//! Presets as layers: each preset stands below all written settings of its upstream.
//! `docs/spec/upstreams.md` section 7.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::duration::DurationText;
use super::raw::RawConfig;
use super::setting::{GivenValue, Section as _, Setting};
use super::size::SizeText;
use super::upstream::RawUpstream;
use super::upstream::carrier::CarrierText;
use crate::ground::fault::Origin;
use crate::providers::{PresetChoice, Provider, RefusalChoice, members};

/// Puts presets and defaults below the written settings of upstreams.
pub(super) fn complete(mut raw: RawConfig, defaults: RawUpstream) -> RawConfig {
    // If other upstreams are described, an `[upstream]` that is not described does not exist.
    if raw.upstreams.is_empty() || !raw.upstream.entries("").is_empty() {
        raw.upstream = with_preset(raw.upstream, None, Some(defaults));
    }
    let upstreams = raw.upstreams.into_iter();
    raw.upstreams = upstreams
        .map(|(name, upstream)| (name.clone(), with_preset(upstream, Some(&name), None)))
        .collect();
    raw
}

/// Puts a preset below an upstream. The preset is chosen by `preset`, by the name of the table, or
/// by the API root, in this order.
fn with_preset(
    raw: RawUpstream,
    table: Option<&str>,
    defaults: Option<RawUpstream>,
) -> RawUpstream {
    let api_root = |raw: &RawUpstream| {
        raw.api_root.given().map(|given| given.value.trim_end_matches('/').to_owned())
    };
    let root = api_root(&raw).or_else(|| defaults.as_ref().and_then(api_root));
    let chosen = match raw.preset.given() {
        Some(given) => Some(given.value),
        None => table
            .and_then(PresetChoice::of_name)
            .or_else(|| root.as_deref().and_then(PresetChoice::of_root)),
    };
    let preset = chosen.and_then(PresetChoice::provider);
    let mut raw = match preset {
        Some(preset) => below(preset, raw),
        None => {
            let rewrite_members = listed(members::PAGES, &Origin::Default, str::to_owned);
            raw.or(RawUpstream { rewrite_members, ..RawUpstream::default() })
        }
    };
    if let Some(mut defaults) = defaults {
        // An API whose root must be given is not GitHub's.
        if preset.is_some_and(|preset| preset.api_root.is_none()) {
            defaults.api_root = Setting::default();
        }
        raw = raw.or(defaults);
    }
    raw
}

/// Puts this preset below the written settings. Paths are completed one by one.
fn below(preset: &'static Provider, raw: RawUpstream) -> RawUpstream {
    let origin = Origin::Preset(preset.name);
    let text = |text: &str| Setting::new(text.to_owned(), origin.clone());
    let mut paths: BTreeMap<String, GivenValue<String>> = BTreeMap::new();
    for (prefix, to) in preset.paths {
        let given = GivenValue { value: (*to).to_owned(), origin: origin.clone() };
        paths.insert((*prefix).to_owned(), given);
    }
    let mut paths_origin = origin.clone();
    if let Some(written) = raw.paths.given() {
        paths_origin = written.origin.clone();
        paths.extend(written.value.clone());
    }
    let layer = RawUpstream {
        preset: Setting::new(PresetChoice::from(preset), origin.clone()),
        api_root: preset.api_root.map_or_else(Setting::default, text),
        encoded_slash: Setting::new(preset.encoded_slash, origin.clone()),
        path_reading: Setting::new(preset.path_reading, origin.clone()),
        query_plus: Setting::new(preset.query_plus, origin.clone()),
        credential: Setting::new(CarrierText(preset.credential.to_owned()), origin.clone()),
        accept_token_in: listed(preset.accept_token_in, &origin, |name| {
            CarrierText(name.to_owned())
        }),
        refusal_format: Setting::new(RefusalChoice::of(preset), origin.clone()),
        drop_query_parameters: listed(preset.drop_query_parameters, &origin, str::to_owned),
        rewrite_members: listed(preset.rewrite_members, &origin, str::to_owned),
        response_timeout: preset.response_timeout.map_or_else(Setting::default, |text| {
            Setting::new(DurationText(text.to_owned()), origin.clone())
        }),
        max_inspected_body: preset.max_inspected_body.map_or_else(Setting::default, |text| {
            Setting::new(SizeText(text.to_owned()), origin.clone())
        }),
        ..RawUpstream::default()
    };
    let paths =
        if paths.is_empty() { Setting::default() } else { Setting::new(paths, paths_origin) };
    RawUpstream { paths, ..raw }.or(layer)
}

/// Makes a list of a preset; an empty list gives nothing.
fn listed<T>(
    words: &[&str],
    origin: &Origin,
    parse: impl Fn(&str) -> T,
) -> Setting<Vec<GivenValue<T>>> {
    let given = words.iter().map(|word| GivenValue { value: parse(word), origin: origin.clone() });
    let given: Vec<GivenValue<T>> = given.collect();
    if given.is_empty() { Setting::default() } else { Setting::new(given, origin.clone()) }
}
