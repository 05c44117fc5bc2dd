//! The host of a program that was built without the feature `plugins`. No such host can be made,
//! and the error tells how to build a program with plugins.

use std::sync::Arc;

use magicproxy_core::plugin::{
    Interests, PluginFuture, PluginHost, PluginName, PluginRequest, PluginResponse, PluginScope,
    Verdict,
};

use crate::failure::LoadError;
use crate::report::{Description, Report};
use crate::settings::HostSettings;

/// A host that cannot exist. Its methods let the other crates compile, and can never be called.
#[derive(Debug)]
pub struct Host(Never);

#[derive(Debug)]
enum Never {}

impl Host {
    /// Always fails.
    ///
    /// # Errors
    /// [`LoadError::NotBuilt`].
    pub fn new(_: HostSettings) -> Result<Self, Vec<LoadError>> {
        Err(vec![LoadError::NotBuilt])
    }

    /// Describes a plugin.
    #[must_use]
    pub fn describe(&self, _: &PluginName) -> Option<Description> {
        match self.0 {}
    }

    /// Asks a plugin about a request.
    pub async fn ask(&self, _: &PluginName, _: &PluginRequest, _: PluginScope) -> Report<Verdict> {
        match self.0 {}
    }

    /// Tells a plugin of a response.
    pub async fn tell(
        &self,
        _: &PluginName,
        _: &PluginRequest,
        _: &PluginResponse,
        _: PluginScope,
    ) -> Report<()> {
        match self.0 {}
    }

    /// Reloads changed plugins.
    pub async fn watch(self: Arc<Self>) {
        match self.0 {}
    }
}

impl PluginHost for Host {
    fn interests(&self, _: &PluginName) -> Option<Arc<Interests>> {
        match self.0 {}
    }

    fn longest_body(&self, _: &PluginName) -> usize {
        match self.0 {}
    }

    fn decide<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: PluginScope,
    ) -> PluginFuture<'p, Verdict> {
        match self.0 {}
    }

    fn observe<'p>(
        &'p self,
        _: &'p PluginName,
        _: &'p PluginRequest,
        _: &'p PluginResponse,
        _: PluginScope,
    ) -> PluginFuture<'p, bool> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::Host;
    use crate::HostSettings;

    #[test]
    fn whoever_asks_is_told_what_to_build() {
        let [error] = Host::new(HostSettings::default()).err().unwrap().try_into().unwrap();
        assert!(
            error.to_string().contains("`cargo build --release --features plugins`"),
            "{error}"
        );
    }
}
