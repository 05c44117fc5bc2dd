//! The questions to a plugin and its possible replies: the seam between the gate and the host of
//! plugins. Specification: `plugin.md`.
//!
//! A trait with a single implementation, because gate and host must not see each other: the gate
//! has no use for a WebAssembly runtime, and a host none for HTTP. A plugin never sees a credential
//! or a token; of a token the host is told the id, the labels and the owner.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use crate::state::{Partition, RowLimits};
use crate::time::UnixTime;

/// The most bytes of a response's body that a plugin is shown. A longer body is not shown at all.
/// The bound of a request's body is the plugin's own: [`PluginHost::longest_body`].
pub const MAX_PLUGIN_RESPONSE_BYTES: usize = 256 * 1024;

/// The name of a plugin in the operator's configuration: 1 to 64 characters of `a-z 0-9 _ -`, a
/// letter first. `plugin.md` section 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct PluginName(String);

impl PluginName {
    /// Reads a name. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
        (begins && text.len() <= 64 && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The name as text.
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

/// The parts of an exchange that a plugin wants to see besides method, path, query and status.
/// Asked of the plugin once, at loading: `plugin.md` section 2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interests {
    /// Names of request headers, in lower case. Header fields that can bear a token or a credential
    /// are never shown.
    pub request_headers: Vec<String>,
    /// The request's body, up to [`PluginHost::longest_body`].
    pub request_body: bool,
    /// True if the plugin is to be told of responses at all.
    pub responses: bool,
    /// Names of response headers, in lower case. `set-cookie` is never shown.
    pub response_headers: Vec<String>,
    /// The response's body, up to [`MAX_PLUGIN_RESPONSE_BYTES`].
    pub response_body: bool,
}

/// A body as plugins see it. Shared and never copied, so that a long body is in memory once.
#[derive(Clone)]
pub struct PluginBody(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl PluginBody {
    /// Shares these bytes, which are kept until the last plugin is done with them.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(bytes))
    }
}

impl Deref for PluginBody {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl From<&[u8]> for PluginBody {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

impl From<Vec<u8>> for PluginBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// Shows the length alone: a body may hold secrets.
impl fmt::Debug for PluginBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PluginBody({} bytes)", self.len())
    }
}

/// A request as a plugin sees it: in the form in which the request was decided on and will be sent.
/// Made by the gate, without the token, the credential and the fields of `plugin.md` section 3.
#[derive(Clone, Debug)]
pub struct PluginRequest {
    /// The name of the upstream.
    pub upstream: String,
    /// The method.
    pub method: String,
    /// The canonical path.
    pub path: String,
    /// The query, as sent to the upstream, without `?`.
    pub query: Option<String>,
    /// The header fields of the plugin's interests, in the order of their arrival.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, if among the plugin's interests. The request is then sent only once its whole body
    /// has come.
    pub body: Option<PluginBody>,
    /// The address of the sender, if known.
    pub sender: Option<IpAddr>,
    /// The token's id, as in logs.
    pub token_id: String,
    /// The labels of the token: for whom the token was made, and to whom its holders gave it.
    pub labels: Vec<String>,
}

/// A response as a plugin sees it. Made by the gate, with the credential masked, because an
/// upstream may echo the credential: `plugin.md` section 3.
#[derive(Clone, Debug)]
pub struct PluginResponse {
    /// The status.
    pub status: u16,
    /// The header fields of the plugin's interests.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, if among the plugin's interests and no longer than [`MAX_PLUGIN_RESPONSE_BYTES`].
    pub body: Option<PluginBody>,
}

/// The state that a plugin sees in a call: rows of the plugin and this owner, and of nobody else.
/// `plugin.md` section 2.
#[derive(Clone, Debug)]
pub struct PluginScope {
    /// The token's owner.
    pub owner: Partition,
    /// The end of the token, at which the plugin's rows end, too.
    pub ends_at: UnixTime,
    /// The present time.
    pub now: UnixTime,
    /// The most rows in the store.
    pub rows: RowLimits,
}

/// A plugin's reply to a request: `plugin.md` section 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Consent: the request is allowed, as if by a rule.
    Allow,
    /// Refusal: the request is not allowed, whatever rules and other plugins say. The reason is for
    /// the log, and for clients whose token explains denials.
    Deny(String),
    /// Abstention: rules and other plugins decide.
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
    /// Returns the consent of a plugin whose verdict is [`Verdict::Allow`]; `None` for any other
    /// verdict.
    #[must_use]
    pub fn of(plugin: &PluginName, verdict: &Verdict) -> Option<Self> {
        (*verdict == Verdict::Allow).then(|| Self(plugin.clone()))
    }

    /// The plugin that consented.
    #[must_use]
    pub fn plugin(&self) -> &PluginName {
        &self.0
    }

    pub(crate) fn into_plugin(self) -> PluginName {
        self.0
    }
}

/// A call of a plugin. The call cannot fail: any failure is turned into a verdict, by the plugin's
/// configuration.
pub type PluginFuture<'p, T> = Pin<Box<dyn Future<Output = T> + Send + 'p>>;

/// The calls of a plugin that failed for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCalls {
    /// The plugin.
    pub plugin: PluginName,
    /// The reason, a word from the host's code.
    pub reason: &'static str,
    /// The number of calls.
    pub count: u64,
}

/// The host of all plugins, as the gate sees the host. No call fails: a plugin's failure is a
/// denial or, if so configured, an abstention (`plugin.md` section 5).
pub trait PluginHost: fmt::Debug + Send + Sync {
    /// Returns the interests of a plugin; `None` if the plugin does not exist.
    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>>;

    /// Returns the most bytes of a request's body that a plugin takes. A longer body is refused,
    /// and never shown: a plugin must not be made to fail by what a client sends.
    fn longest_body(&self, plugin: &PluginName) -> usize;

    /// Asks a plugin about a request. Time, memory and work are bounded; any failure is a denial,
    /// or an abstention if the plugin is configured so.
    fn decide<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        scope: PluginScope,
    ) -> PluginFuture<'p, Verdict>;

    /// Tells a plugin of the response to a request that was sent. Returns false if the plugin could
    /// not do its work: the response must then not be passed on as if nothing had happened.
    fn observe<'p>(
        &'p self,
        plugin: &'p PluginName,
        request: &'p PluginRequest,
        response: &'p PluginResponse,
        scope: PluginScope,
    ) -> PluginFuture<'p, bool>;

    /// Returns the number of calls that failed since the start, by plugin and reason, for metrics.
    /// A host that cannot tell returns none.
    fn failed_calls(&self) -> Vec<FailedCalls> {
        Vec::new()
    }
}
