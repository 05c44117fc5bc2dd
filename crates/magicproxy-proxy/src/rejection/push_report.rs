//! Refusals of pushes in git's own words: `docs/spec/git.md` section 6.
//!
//! git shows its user the reason of a refusal only in a report with status 200. Log lines, metrics
//! and `Proxy-Status` call the request denied, whatever the status.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use magicproxy_git::{CommandList, report};

use super::Rejection;

/// The content of a report.
#[derive(Debug)]
pub(crate) struct PushReport(Bytes);

impl PushReport {
    /// Turns the response to a refused request into this report.
    pub(crate) fn replace<B>(self, response: &mut Response<B>, body: impl FnOnce(Bytes) -> B) {
        *response.status_mut() = StatusCode::OK;
        response.extensions_mut().remove::<ReasonPhrase>();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(report::CONTENT_TYPE));
        headers.remove(WWW_AUTHENTICATE);
        *response.body_mut() = body(self.0);
    }
}

impl Rejection {
    /// Makes the report to a refused push, of which `commands` are known or not. `None` where a
    /// status of HTTP tells the client more: git sends its token only when asked for a password,
    /// and some clients read no report.
    pub(crate) fn push_report(&self, commands: Option<&CommandList>) -> Option<PushReport> {
        if matches!(self, Self::NoToken) {
            return None;
        }
        let message = format!("magicproxy: {self}");
        let Some(list) = commands.filter(|list| !list.is_probe()) else {
            return Some(PushReport(report::unread(&message).into()));
        };
        let reasons: Vec<String> = match self {
            Self::Denied { reasons, .. } if !reasons.is_empty() => {
                reasons.iter().map(|reason| format!("magicproxy: {reason}")).collect()
            }
            Self::Denied { denial, .. } => repeated(list, &format!("magicproxy: {denial}")),
            _ => repeated(list, &message),
        };
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        Some(PushReport(report::refusal(list, &message, &reasons)?.into()))
    }
}

/// Returns one reason for every command.
fn repeated(list: &CommandList, reason: &str) -> Vec<String> {
    vec![reason.to_owned(); list.commands().len()]
}
