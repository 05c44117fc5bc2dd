//! Plugins: asked before a request is sent, told of the response. `docs/spec/plugin.md`.
//!
//! A plugin sees the request to be sent and the response received, without anything that could be a
//! token or a credential.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, Response, header};
use magicproxy_core::plugin::{
    Interests, PluginBody, PluginHost, PluginName, PluginRequest, PluginResponse, PluginScope,
    Verdict,
};
use magicproxy_core::state::RowLimits;
use magicproxy_core::{RequestTarget, UpstreamName, VerifiedToken};

use crate::clock;
use crate::credential::carriers::Carriers;
use crate::field_names::steers;
use crate::mask::SecretMask;
use crate::metrics::{Metrics, PluginOutcome};
use crate::rejection::Rejection;
use crate::transport::Content;

/// The plugins as requests to an upstream see them.
#[derive(Clone, Debug)]
pub(crate) struct Plugins {
    host: Option<Arc<dyn PluginHost>>,
    upstream: UpstreamName,
    carriers: Carriers,
    metrics: Arc<Metrics>,
}

/// A question to plugins: the request, the token that names the plugins, and the limits of their
/// state.
#[derive(Clone, Copy)]
pub(crate) struct PluginInquiry<'i> {
    pub(crate) token: &'i VerifiedToken,
    pub(crate) method: &'i Method,
    /// The header fields as they will be sent.
    pub(crate) headers: &'i HeaderMap,
    pub(crate) target: &'i RequestTarget,
    pub(crate) sender: Option<IpAddr>,
    /// The most rows allowed in the store.
    pub(crate) rows: &'i RowLimits,
}

/// The plugins asked about a request and interested in the response.
#[derive(Debug, Default)]
pub(crate) struct Consultation {
    host: Option<Arc<dyn PluginHost>>,
    asked: Vec<ConsultedPlugin>,
    metrics: Option<Arc<Metrics>>,
}

/// A plugin that was asked about a request and is to be told of the response.
#[derive(Debug)]
struct ConsultedPlugin {
    plugin: PluginName,
    interests: Arc<Interests>,
    request: PluginRequest,
    scope: PluginScope,
}

impl Plugins {
    pub(crate) fn new(
        host: Option<Arc<dyn PluginHost>>,
        upstream: UpstreamName,
        carriers: Carriers,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { host, upstream, carriers, metrics }
    }

    /// Returns the longest body, in bytes, that each of the token's plugins which demand the body
    /// takes; `None` if none demands the body.
    pub(crate) fn longest_body(&self, token: &VerifiedToken) -> Option<usize> {
        let host = self.host.as_ref()?;
        let reads_body =
            |plugin| self.interests(plugin).is_some_and(|interests| interests.request_body);
        let readers = token.plugins().iter().filter(|plugin| reads_body(plugin));
        readers.map(|plugin| host.longest_body(plugin)).min()
    }

    /// Asks all plugins of the token. A single denial denies the request, whatever else allows it.
    pub(crate) async fn ask(
        &self,
        inquiry: PluginInquiry<'_>,
        body: Option<PluginBody>,
    ) -> Result<(Vec<(PluginName, Verdict)>, Consultation), Rejection> {
        let token = inquiry.token;
        let scope = PluginScope {
            owner: token.owner(),
            ends_at: token.owner_ends_at(),
            now: clock::now(),
            rows: inquiry.rows.clone(),
        };
        let (mut said, mut asked) = (Vec::new(), Vec::new());
        for plugin in token.plugins() {
            // A plugin no longer configured denies, because the plugin might have denied.
            let (Some(host), Some(interests)) = (&self.host, self.interests(plugin)) else {
                return Err(Rejection::Plugin(None));
            };
            let request = self.request(&inquiry, &interests, body.clone());
            let verdict = host.decide(plugin, &request, scope.clone()).await;
            self.metrics.plugin_called(plugin, outcome_of(&verdict));
            if let Verdict::Deny(reason) = verdict {
                tracing::info!(name: "plugin_denied", target: "magicproxy::plugin", %plugin, reason, jti = token.id(), "a plugin denied a request");
                return Err(Rejection::Plugin(token.explains().then_some(reason)));
            }
            said.push((plugin.clone(), verdict));
            if interests.responses {
                asked.push(ConsultedPlugin {
                    plugin: plugin.clone(),
                    interests,
                    request,
                    scope: scope.clone(),
                });
            }
        }
        let (host, metrics) = (self.host.clone(), Some(Arc::clone(&self.metrics)));
        Ok((said, Consultation { host, asked, metrics }))
    }

    fn interests(&self, plugin: &PluginName) -> Option<Arc<Interests>> {
        self.host.as_ref()?.interests(plugin)
    }

    fn request(
        &self,
        inquiry: &PluginInquiry<'_>,
        interests: &Interests,
        body: Option<PluginBody>,
    ) -> PluginRequest {
        let PluginInquiry { token, method, headers, target, sender, .. } = *inquiry;
        let hidden =
            |name: &HeaderName| steers(name) || self.carriers.stripped().headers.contains(name);
        PluginRequest {
            upstream: self.upstream.as_str().to_owned(),
            method: method.as_str().to_owned(),
            path: target.path().to_owned(),
            query: target.query().map(str::to_owned),
            headers: shown(headers, &interests.request_headers, hidden),
            body: body.filter(|_| interests.request_body),
            sender,
            token_id: token.id().to_owned(),
            labels: token
                .label()
                .map(|label| label.split('>').map(str::to_owned).collect())
                .unwrap_or_default(),
        }
    }
}

impl Consultation {
    /// True if no plugin is to be told of the response.
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// True if any of the plugins reads the response's content.
    pub(crate) fn reads_response(&self) -> bool {
        self.asked.iter().any(|asked| asked.interests.response_body)
    }

    /// Tells the plugins of the response, with the credential masked.
    pub(super) async fn tell(
        &self,
        response: &Response<Content>,
        body: Option<&[u8]>,
        secret_mask: Option<&SecretMask>,
    ) -> Result<(), Rejection> {
        let Some(host) = &self.host else { return Ok(()) };
        for asked in &self.asked {
            let hidden = |name: &HeaderName| *name == header::SET_COOKIE || steers(name);
            let mut headers = shown(response.headers(), &asked.interests.response_headers, hidden);
            // An upstream may echo the credential.
            for (_, value) in &mut headers {
                masked(value, secret_mask);
            }
            let body = match body {
                Some(body) if asked.interests.response_body => {
                    let mut body = body.to_vec();
                    masked(&mut body, secret_mask);
                    Some(body.into())
                }
                Some(_) | None => None,
            };
            let response = PluginResponse { status: response.status().as_u16(), headers, body };
            let is_noted =
                host.observe(&asked.plugin, &asked.request, &response, asked.scope.clone()).await;
            if let Some(metrics) = &self.metrics {
                let outcome =
                    if is_noted { PluginOutcome::Noted } else { PluginOutcome::Unrecorded };
                metrics.plugin_called(&asked.plugin, outcome);
            }
            if !is_noted {
                tracing::error!(name: "plugin_not_recorded", target: "magicproxy::plugin", plugin = %asked.plugin, jti = asked.request.token_id,
                    method = asked.request.method, path = asked.request.path, "a plugin could not record what came of a request");
                return Err(Rejection::PluginFailed);
            }
        }
        Ok(())
    }
}

fn outcome_of(verdict: &Verdict) -> PluginOutcome {
    match verdict {
        Verdict::Allow => PluginOutcome::Allow,
        Verdict::Deny(_) => PluginOutcome::Deny,
        Verdict::Abstain => PluginOutcome::Abstain,
    }
}

fn masked(bytes: &mut Vec<u8>, secret_mask: Option<&SecretMask>) {
    if let Some(masked) = secret_mask.and_then(|secret_mask| secret_mask.masked(bytes)) {
        *bytes = masked;
    }
}

fn shown(
    headers: &HeaderMap,
    names: &[String],
    hidden: impl Fn(&HeaderName) -> bool,
) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    for (name, value) in headers {
        let is_wanted = names.iter().any(|wanted| wanted == name.as_str());
        if is_wanted && !hidden(name) {
            fields.push((name.as_str().to_owned(), value.as_bytes().to_vec()));
        }
    }
    fields
}
