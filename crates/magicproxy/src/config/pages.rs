//! Which pages of other origins may call an API through the proxy: `docs/spec/upstreams.md` section 11.

use magicproxy_proxy::settings::{MintSettings, PageOrigin, PageOrigins};

use super::check::{Checker, list};
use super::upstreams::Table;

impl Checker<'_> {
    /// The origins of `allow_origins`. Whoever can reach an open mint can mint, and a page must not be among them.
    pub(super) fn page_origins(&mut self, table: &Table<'_>, minting: &MintSettings) -> PageOrigins {
        let key = table.key("allow_origins");
        let mut origins = Vec::new();
        for given in list(&table.raw.allow_origins) {
            match PageOrigin::parse(&given.value) {
                Ok(origin) => origins.push(origin),
                Err(error) => self.fault(format!("{key} `{}`: {error}", given.value), &given.origin),
            }
        }
        let Some(first) = list(&table.raw.allow_origins).first() else { return PageOrigins::default() };
        if minting.open {
            let fault = "pages may call the proxy only where minting over HTTP is closed: write `mint.policy = \"closed\"`";
            self.fault(format!("{key}: {fault}"), &first.origin);
        }
        PageOrigins::of(origins).unwrap_or_else(|| {
            self.fault(format!("{key}: expected at most {} origins", PageOrigins::MAX), &first.origin);
            PageOrigins::default()
        })
    }
}
