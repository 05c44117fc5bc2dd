//! Calls of plugins, by the names of the configuration.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use magicproxy_core::plugin::{FailedCalls, PluginHost, PluginName};
use prometheus_client::encoding::DescriptorEncoder;

use super::exposition::{Samples, number};
use super::families;

/// The result of a call of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PluginOutcome {
    Allow,
    Deny,
    Abstain,
    /// The plugin took note of a response.
    Noted,
    /// The plugin could not take note of a response.
    Unrecorded,
}

impl PluginOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Abstain => "abstain",
            Self::Noted => "noted",
            Self::Unrecorded => "unrecorded",
        }
    }
}

/// The number of calls, by plugin and outcome. Behind a lock: a call of a plugin costs a hundred
/// times as much.
#[derive(Debug, Default)]
pub(super) struct PluginCalls(Mutex<BTreeMap<(PluginName, PluginOutcome), u64>>);

impl PluginCalls {
    /// Counts a call. Only for plugins that exist: a token may name any.
    pub(super) fn count(&self, plugin: &PluginName, outcome: PluginOutcome) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((plugin.clone(), outcome)).or_default() += 1;
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut metric = families::PLUGIN_CALLS.begin(encoder)?;
        for ((plugin, outcome), count) in calls {
            let labels = [("plugin", plugin.as_str()), ("outcome", outcome.as_str())];
            number(&mut metric, &families::PLUGIN_CALLS, &labels, count as f64)?;
        }
        Ok(())
    }
}

/// Adds the failed calls that the host of the plugins has counted.
pub(super) fn sample(host: &dyn PluginHost, samples: &mut Samples) {
    for FailedCalls { plugin, reason, count } in host.failed_calls() {
        let labels = [("plugin", plugin.as_str()), ("reason", reason)];
        samples.add(&families::PLUGIN_FAILURES, &labels, count as f64);
    }
}
