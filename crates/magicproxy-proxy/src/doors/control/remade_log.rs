//! A log line for each token made of another one: narrowed or sealed anew. No rule is shown, because
//! a rule may hold the credential, which is opened to nobody here.

use magicproxy_core::{Caveat, TokenVersion, UnixTime, UnverifiedToken, VerifiedToken};

use super::RequestSource;

/// The facts about a caveat in the log line of a narrowed token.
#[derive(Debug, Default)]
pub(super) struct CaveatRecord {
    sub: Option<String>,
    expires_at: Option<UnixTime>,
    rules: Option<usize>,
    limit: Option<String>,
}

impl CaveatRecord {
    pub(super) fn of(caveat: &Caveat) -> Self {
        Self {
            sub: caveat.sub.as_ref().map(ToString::to_string),
            expires_at: caveat.exp,
            rules: caveat.allowed.as_ref().map(Vec::len),
            limit: caveat.limit.map(|limit| limit.to_string()),
        }
    }
}

/// The token that a log line is about, with its origin.
struct RemadeToken<'t> {
    parent: &'t VerifiedToken,
    version: TokenVersion,
    jti: Option<String>,
    kid: Option<String>,
    owner: Option<String>,
    chain: Option<String>,
    upstream: Option<&'t str>,
}

impl<'t> RemadeToken<'t> {
    fn of(parent: &'t VerifiedToken, made: &str) -> Option<Self> {
        let token = UnverifiedToken::parse(made).ok()?;
        let version = match &token {
            UnverifiedToken::V1(_) => TokenVersion::V1,
            UnverifiedToken::V2(_) => TokenVersion::V2,
        };
        Some(Self {
            parent,
            version,
            jti: token.id(),
            kid: token.kid().map(str::to_owned),
            owner: token.owner().map(|owner| owner.to_string()),
            chain: token.chain().map(|chain| chain.id().to_string()),
            upstream: parent.upstream().map(|name| name.as_str()),
        })
    }
}

/// Writes the line of a narrowed token.
pub(super) fn narrowed(
    parent: &VerifiedToken,
    made: &str,
    caveat: &CaveatRecord,
    from: RequestSource,
) {
    let Some(token) = RemadeToken::of(parent, made) else { return };
    let sub: Vec<&str> = match (parent.label(), caveat.sub.as_deref()) {
        (None, Some(label)) => vec!["-", label],
        (before, label) => before.into_iter().chain(label).collect(),
    };
    let ends = caveat.expires_at.map_or(parent.expires_at(), |end| end.min(parent.expires_at()));
    tracing::info!(
        name: "token_narrowed",
        target: "magicproxy::mint",
        jti = token.jti,
        sub = (!sub.is_empty()).then(|| sub.join(">")),
        upstream = token.upstream,
        expires_at = ends.0,
        rules = caveat.rules,
        limit = caveat.limit,
        parent = %token.parent.chain().id(),
        chain = token.chain,
        peer = from.peer.map(tracing::field::display),
        client = from.client.map(tracing::field::display),
        request_id = %from.id,
        version = token.version.as_str(),
        kid = token.kid,
        owner = token.owner,
        "narrowed a token"
    );
}

/// Writes the line of a token sealed anew.
pub(super) fn resealed(parent: &VerifiedToken, made: &str, from: RequestSource) {
    let Some(token) = RemadeToken::of(parent, made) else { return };
    tracing::info!(
        name: "token_resealed",
        target: "magicproxy::mint",
        jti = token.jti,
        sub = token.parent.label(),
        upstream = token.upstream,
        expires_at = token.parent.expires_at().0,
        parent = %token.parent.chain().id(),
        chain = token.chain,
        peer = from.peer.map(tracing::field::display),
        client = from.client.map(tracing::field::display),
        request_id = %from.id,
        version = token.version.as_str(),
        kid = token.kid,
        owner = token.owner,
        "sealed a token anew"
    );
}
