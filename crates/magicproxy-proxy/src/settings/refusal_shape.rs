//! The shapes that refusals can take: `docs/spec/upstreams.md` section 8.

/// The shape of the body of what the proxy refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusalShape {
    /// RFC 9457, with `code`, `request_id` and `message`.
    #[default]
    Problem,
    /// GitHub's.
    Github,
    /// GitLab's.
    Gitlab,
    /// DigitalOcean's.
    Digitalocean,
    /// PowerDNS's.
    Powerdns,
    /// Cloudflare's.
    Cloudflare,
    /// OpenAI's.
    Openai,
    /// Anthropic's.
    Anthropic,
}
