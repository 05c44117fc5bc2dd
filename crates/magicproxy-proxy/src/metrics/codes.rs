//! The codes of decisions: every stable code of a refusal, and the outcomes that are none.

use super::requests::Admission;

/// The outcomes of deciding a request, sorted: `docs/reference/errors.md` lists the codes of
/// refusals. `other` is never counted, unless a code is missing here.
const DECISIONS: [&str; DecisionCode::COUNT] = [
    "allowed",
    "beyond_caveat",
    "beyond_ceiling",
    "body_coding",
    "body_steps",
    "body_too_large",
    "body_type",
    "body_unreadable",
    "busy",
    "carrier_parameter",
    "conflicting_credentials",
    "control",
    "created_not_recorded",
    "decision_too_costly",
    "denied_by_plugin",
    "done_not_recorded",
    "exchange_timeout",
    "existence_unknown",
    "expired_token",
    "form_override",
    "form_syntax",
    "form_twice",
    "form_twin",
    "form_value",
    "git_capability",
    "git_not_fast_forward",
    "git_object_format",
    "git_push_cert",
    "git_ref_name",
    "git_syntax",
    "git_too_long",
    "git_too_many_commands",
    "header_twice",
    "header_value",
    "internal",
    "invalid_caveat",
    "invalid_explain_request",
    "invalid_framing",
    "invalid_host",
    "invalid_mint_request",
    "invalid_token",
    "json_override",
    "json_syntax",
    "json_twice",
    "json_twin",
    "json_value",
    "method_not_allowed",
    "method_override",
    "minting_closed",
    "minting_suspended",
    "missing_token",
    "no_upstream",
    "not_allowed",
    "not_found",
    "not_owned",
    "other",
    "overloaded",
    "override_header",
    "owner_rows",
    "owner_share",
    "path_value",
    "peer_rows",
    "peer_share",
    "preflight",
    "query_syntax",
    "query_twice",
    "query_twin",
    "query_value",
    "rate_limited",
    "reconfigured",
    "request_body",
    "request_timeout",
    "revoked_token",
    "store_full",
    "store_unavailable",
    "target_backslash",
    "target_blank",
    "target_character",
    "target_control",
    "target_dot_segment",
    "target_empty_segment",
    "target_encoded_slash",
    "target_encoding",
    "target_form",
    "target_lookalike",
    "target_parameter",
    "target_too_long",
    "target_utf8",
    "too_many_at_once",
    "too_many_grants",
    "too_many_limits",
    "total_used_up",
    "undecided",
    "unknown_host",
    "unknown_upstream",
    "unlisted_minter",
    "unsupported_media_type",
    "upstream_busy",
    "upstream_closed",
    "upstream_coding",
    "upstream_connect_timeout",
    "upstream_objects",
    "upstream_protocol",
    "upstream_refused",
    "upstream_timeout",
    "upstream_tls",
    "upstream_unreachable",
    "upstream_upgrade",
    "websocket_disabled",
    "wrong_sender",
    "wrong_upstream",
];

/// A decision by its number in the table of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecisionCode(u8);

impl DecisionCode {
    pub(super) const COUNT: usize = 111;
    /// The request was allowed: found without a search, because most requests are.
    const ALLOWED: &'static str = "allowed";
    const OTHER: &'static str = "other";

    /// Finds the number of a code.
    pub(crate) fn of(code: &str) -> Self {
        if code == Self::ALLOWED {
            return Self(0);
        }
        let found = DECISIONS
            .binary_search(&code)
            .or_else(|_| DECISIONS.binary_search(&Self::OTHER))
            .unwrap_or_default();
        Self(u8::try_from(found).unwrap_or_default())
    }

    /// True for the codes that have a number from the start: `allowed`, the failures of an upstream,
    /// the store and the proxy, and the use of revoked tokens.
    pub(super) fn is_always_told(code: &str) -> bool {
        const TOLD: [&str; 10] = [
            "busy",
            "created_not_recorded",
            "done_not_recorded",
            "exchange_timeout",
            "existence_unknown",
            "internal",
            "overloaded",
            "revoked_token",
            "store_full",
            "store_unavailable",
        ];
        code == Self::ALLOWED || code.starts_with("upstream_") || TOLD.contains(&code)
    }

    /// True for the code of a refusal.
    pub(crate) fn is_refusal(self) -> bool {
        !["allowed", "control", "preflight", "undecided"].contains(&self.as_str())
    }

    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// Tells whether the request was allowed. The upstream's failures are of allowed requests.
    pub(super) fn admission(self) -> Admission {
        let is_allowed = self.0 == 0 || self.as_str().starts_with("upstream_");
        if is_allowed { Admission::Allowed } else { Admission::Refused }
    }

    pub(super) fn from_number(number: u8) -> Self {
        Self(number)
    }

    pub(crate) fn as_str(self) -> &'static str {
        DECISIONS.get(usize::from(self.0)).copied().unwrap_or(Self::OTHER)
    }

    /// True for a code of the table, other than `other`.
    #[cfg(test)]
    pub(crate) fn is_known(code: &str) -> bool {
        code != Self::OTHER && DECISIONS.binary_search(&code).is_ok()
    }

    /// Returns all codes, in the order of their numbers.
    pub(super) fn all() -> impl Iterator<Item = &'static str> {
        DECISIONS.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_allowed_comes_first() {
        assert!(DECISIONS.is_sorted_by(|one, next| one < next));
        for (number, code) in DecisionCode::all().enumerate() {
            assert_eq!(usize::from(DecisionCode::of(code).number()), number, "{code}");
            assert_eq!(DecisionCode::of(code).as_str(), code);
        }
        for unknown in ["", "zzz", "Allowed"] {
            assert_eq!(DecisionCode::of(unknown).as_str(), "other", "{unknown}");
        }
    }
}
