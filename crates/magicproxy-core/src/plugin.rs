//! What a plugin is asked and what it may say: the seam between the gate and the host of plugins. Specification: `plugin.md`.
//!
//! A trait with one implementation, because gate and host must not see each other: the gate has no use for a WebAssembly
//! runtime, and a host none for HTTP. A plugin never sees a credential or a token; what it is told of one is its owner.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::state::{Partition, RowLimits};
use crate::time::UnixTime;

/// The most bytes of a request's or a response's body that a plugin is shown. A longer one it is not shown at all.
pub const MAX_PLUGIN_BODY_BYTES: usize = 256 * 1024;

/// The name of a plugin: 1 to 64 characters of `a-z 0-9 _ -`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct PluginName(String);

impl PluginName {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
        (begins && text.len() <= 64 && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What of an exchange a plugin wants to see besides method, path, query and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interests {
    /// Names of request headers, in lower case. Those that can bear a token or a credential are never shown.
    pub request_headers: Vec<String>,
    /// The request's body, up to [`MAX_PLUGIN_BODY_BYTES`].
    pub request_body: bool,
    /// Is it to be told of responses at all?
    pub responses: bool,
    /// Names of response headers, in lower case. `set-cookie` is never shown.
    pub response_headers: Vec<String>,
    /// The response's body, up to [`MAX_PLUGIN_BODY_BYTES`].
    pub response_body: bool,
}

/// A request as a plugin sees it: what will be sent, as it was decided on.
#[derive(Clone, Debug)]
pub struct PluginRequest {
    /// The name of the upstream.
    pub upstream: String,
    /// The method.
    pub method: String,
    /// The canonical path.
    pub path: String,
    /// The query, as it will be sent, without `?`.
    pub query: Option<String>,
    /// Those headers that it is interested in, in the order in which they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, where it is interested in it. Such a request is sent only once its body has come, whole.
    pub body: Option<Arc<[u8]>>,
    /// Who sends it, as far as is known.
    pub sender: Option<IpAddr>,
    /// The token's id, as logs call it.
    pub token_id: String,
    /// Whom the token is for, and whom its holders gave it to.
    pub labels: Vec<String>,
}

/// A response as a plugin sees it.
#[derive(Clone, Debug)]
pub struct PluginResponse {
    /// The status.
    pub status: u16,
    /// Those headers that it is interested in.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, where it is interested in it and it is no longer than it may be.
    pub body: Option<Arc<[u8]>>,
}

/// Whose state a plugin sees in one call: what it keeps there belongs to it and this owner.
#[derive(Clone, Debug)]
pub struct PluginScope {
    /// The token's owner.
    pub owner: Partition,
    /// When the token ends, and with it what the plugin keeps.
    pub ends_at: UnixTime,
    /// The time.
    pub now: UnixTime,
    /// How many rows there may be in the store.
    pub rows: RowLimits,
}

/// What a plugin says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed, as if by a rule.
    Allow,
    /// It is not allowed, whatever rules and other plugins say. The reason is for the log, and for clients whose token explains.
    Deny(String),
    /// Others decide.
    Abstain,
}

/// The proof that a plugin allowed a request.
///
/// INVARIANT: made only by [`Consent::of`], of a verdict that allows.
///
/// ```compile_fail,E0603
/// fn forge(plugin: magicproxy_core::plugin::PluginName) -> magicproxy_core::plugin::Consent {
///     magicproxy_core::plugin::Consent(plugin)
/// }
/// ```
#[derive(Debug)]
pub struct Consent(PluginName);

impl Consent {
    /// What this plugin said, if it was yes.
    #[must_use]
    pub fn of(plugin: &PluginName, verdict: &Verdict) -> Option<Self> {
        (*verdict == Verdict::Allow).then(|| Self(plugin.clone()))
    }

    /// Whose it is.
    #[must_use]
    pub fn plugin(&self) -> &PluginName {
        &self.0
    }

    pub(crate) fn into_plugin(self) -> PluginName {
        self.0
    }
}

/// What a call of a plugin gives. It cannot fail: what goes wrong is a verdict, by the plugin's configuration.
pub type PluginFuture<'p, T> = Pin<Box<dyn Future<Output = T> + Send + 'p>>;

/// The host of all plugins.
pub trait PluginHost: fmt::Debug + Send + Sync {
    /// What this plugin wants to see; `None` where there is no such plugin.
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>>;

    /// Asks it about a request. Time, memory and work are bounded; whatever goes wrong is a denial, or an abstention where
    /// the plugin is configured so.
    fn decide<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        scope: PluginScope,
    ) -> PluginFuture<'p, Verdict>;

    /// Tells it of the response to a request that was sent. False, where it could not do what it had to: the response must then
    /// not be passed on as if nothing had happened.
    fn observe<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        response: &'p PluginResponse,
        scope: PluginScope,
    ) -> PluginFuture<'p, bool>;
}
