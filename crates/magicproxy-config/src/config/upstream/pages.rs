//! The origins of web pages that may call an API through the proxy: `docs/spec/upstreams.md`
//! section 11.

use std::sync::Arc;

use magicproxy_proxy::settings::{PageOrigin, PageOrigins, UpstreamSettings};

use super::Table;
use crate::config::check::{Checker, list};

impl Checker<'_> {
    /// Checks the origins in `allow_origins`.
    pub(super) fn page_origins(&mut self, table: &Table<'_>) -> PageOrigins {
        let key = table.key("allow_origins");
        let mut origins = Vec::new();
        for given in list(&table.raw.allow_origins) {
            match PageOrigin::parse(&given.value) {
                Ok(origin) => origins.push(origin),
                Err(error) => {
                    self.fault(format!("{key} `{}`: {error}", given.value), &given.origin)
                }
            }
        }
        let Some(first) = list(&table.raw.allow_origins).first() else {
            return PageOrigins::default();
        };
        PageOrigins::of(origins).unwrap_or_else(|| {
            self.fault(
                format!("{key}: expected at most {} origins", PageOrigins::MAX),
                &first.origin,
            );
            PageOrigins::default()
        })
    }

    /// Refuses `allow_origins` beside an open mint: every client that reaches an open mint can
    /// mint, and a web page must not be among them.
    pub(super) fn no_pages_beside_an_open_mint(
        &mut self,
        tables: &[Table<'_>],
        checked: &[Arc<UpstreamSettings>],
    ) {
        if !checked.iter().any(|upstream| upstream.mints_over_http()) {
            return;
        }
        for table in tables {
            let Some(first) = list(&table.raw.allow_origins).first() else { continue };
            let key = table.key("allow_origins");
            let fault = "pages may call the proxy only where minting over HTTP is closed: write `mint.policy = \"closed\"`";
            self.fault(format!("{key}: {fault}"), &first.origin);
        }
    }
}
