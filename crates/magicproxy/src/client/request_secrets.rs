//! The secrets of a request, masked wherever a response is quoted: any server may echo them.

use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The secrets of one request: its token, or the credential of a mint request.
pub(super) struct RequestSecrets(Vec<Zeroizing<String>>);

/// The credential of a mint request, read from the body.
#[derive(Deserialize)]
struct MintedCredential {
    token: String,
}

impl RequestSecrets {
    pub(super) async fn of(request: &Request<Full<Bytes>>) -> Self {
        let field = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = field
            .and_then(|value| value.rsplit(' ').next())
            .map(|token| Zeroizing::new(token.to_owned()));
        let body =
            request.body().clone().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let credential = serde_json::from_slice::<MintedCredential>(&body)
            .ok()
            .map(|minted| Zeroizing::new(minted.token));
        let escaped = credential
            .as_ref()
            .and_then(|token| serde_json::to_string(token.as_str()).ok())
            .map(Zeroizing::new);
        let escaped = escaped.map(|text| Zeroizing::new(text.trim_matches('"').to_owned()));
        Self(
            [bearer, credential, escaped]
                .into_iter()
                .flatten()
                .filter(|secret| !secret.is_empty())
                .collect(),
        )
    }

    /// Replaces the secrets in a text.
    pub(super) fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

impl std::fmt::Debug for RequestSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sent({})", self.0.len())
    }
}
