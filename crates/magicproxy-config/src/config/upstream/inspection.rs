//! The longest body of a request that is held in memory for a rule or a plugin.

use magicproxy_proxy::settings::UpstreamSettings;

use super::{GeneralSettings, Table};
use crate::config::check::Checker;
use crate::config::setting::Setting;
use crate::config::size::SizeText;
use crate::ground::fault::Origin;

/// The default of `max_inspected_body`: [`UpstreamSettings::DEFAULT_INSPECTED_BODY`].
pub(super) const DEFAULT_INSPECTED_BODY: &str = "1MiB";
/// The longest body that any setting allows, in bytes.
const MOST_INSPECTED_BYTES: u64 = 64 * 1024 * 1024;

impl Checker<'_> {
    /// Checks the longest body that rules and plugins of an upstream look into. What one client may
    /// hold bounds it: a body beyond that would be refused for ever as if the proxy were busy. A
    /// default or a preset gives way; the operator's own number is a fault.
    pub(super) fn max_inspected_body(
        &mut self,
        general: &GeneralSettings<'_>,
        table: &Table<'_>,
    ) -> usize {
        let setting = &table.raw.max_inspected_body;
        let key = table.key("max_inspected_body");
        let given = self.inspected_body(&key, setting);
        let bytes = given.unwrap_or(UpstreamSettings::DEFAULT_INSPECTED_BODY);
        let (limit, share) = general.raw.limits.inspected_share();
        if bytes <= share {
            return bytes;
        }
        let written = setting
            .given()
            .filter(|given| !matches!(given.origin, Origin::Default | Origin::Preset(_)));
        if let Some(given) = written {
            self.fault(
                format!(
                    "{key} `{}`: more than one client may hold, which is {share} bytes: {limit}",
                    given.value.0
                ),
                &given.origin,
            );
        }
        share
    }

    /// Checks the length of a body that is held in memory.
    pub(in crate::config) fn inspected_body(
        &mut self,
        key: &str,
        setting: &Setting<SizeText>,
    ) -> Option<usize> {
        let given = setting.given()?;
        let bytes = given.value.bytes().and_then(|bytes| {
            let sensible = (1..=MOST_INSPECTED_BYTES).contains(&bytes);
            let bytes = usize::try_from(bytes).ok().filter(|_| sensible);
            bytes.ok_or_else(|| "expected at most `64MiB`, and at least one byte".to_owned())
        });
        bytes
            .map_err(|expected| {
                self.fault(format!("{key} `{}`: {expected}", given.value.0), &given.origin)
            })
            .ok()
    }
}
