//! Further grounds to allow a request: what the token's owner made, and what plugins say. Most requests never come here.

use std::sync::Arc;

use http::request::Parts;
use magicproxy_core::{Access, Denial, Permit, VerifiedToken};

use super::{Gate, denied, wants_websocket};
use crate::admission::Holding;
use crate::downstream::RequestBody;
use crate::exchange::ledger::whole_body;
use crate::exchange::verifier::Binder;
use crate::peer::Peer;
use crate::plugins::{Consultation, Inquiry};
use crate::rejection::Rejection;

/// Who asks, and the exchange that pays.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) peer: Peer,
    pub(super) exchange: &'a Holding,
    /// By whose credential named owners are meant.
    pub(super) binder: Binder<'a>,
}

impl Gate {
    /// Goes on from what the rules decided. A grant allows what they do not; a plugin may allow and may deny.
    pub(super) async fn ask_further(
        &self,
        token: &Arc<VerifiedToken>,
        access: &Access<'_>,
        decision: Result<Permit, Denial>,
        head: &Parts,
        asker: Asker<'_>,
        body: &mut RequestBody,
    ) -> Result<(Permit, Consultation), Rejection> {
        let decision = match decision {
            Err(Denial::NotAllowed) => self.ledger.authorize(token, access, asker.binder).await?,
            decided => decided,
        };
        let refuse = |denial| denied(denial, token, access);
        match decision {
            _ if token.plugins().is_empty() => Ok((decision.map_err(refuse)?, Consultation::default())),
            // Whatever a plugin says, it will not be sent.
            Err(denial) if denial != Denial::NotAllowed => Err(refuse(denial)),
            decision => {
                let shown = if self.plugins.read_body(token) {
                    Some(whole_body(&head.headers, body, asker.exchange).await?)
                } else {
                    None
                };
                // What goes no further is not shown either.
                let mut headers = head.headers.clone();
                self.headers(asker.peer, wants_websocket(head, body)).prepare(&mut headers, |_| ());
                let rows = &self.ledger.plugin_rows(token, asker.exchange);
                let (target, sender) = (access.target, access.sender);
                let inquiry = Inquiry { token, method: &head.method, headers: &headers, target, sender, rows };
                let (consent, consultation) = self.plugins.ask(inquiry, shown.as_deref()).await?;
                let decision = match (decision, consent) {
                    (Err(_), Some(consent)) => token.authorize_agreed(access, consent),
                    (decision, _) => decision,
                };
                Ok((decision.map_err(refuse)?, consultation))
            }
        }
    }
}
