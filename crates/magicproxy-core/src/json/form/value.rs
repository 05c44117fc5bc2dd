//! The faults of single values: a text, a number or a list of the right kind that its reader does
//! not accept.

use serde_json::error::Category;

use crate::duration;

/// Declares the faults with their messages, and the list of all faults.
macro_rules! value_faults {
    ($($(#[$doc:meta])+ $name:ident => $($message:expr),+;)+) => {
        /// The reason why the value of a member is not accepted. The message names the member and
        /// the expected value, and holds no text out of the JSON.
        ///
        /// A reader hands its fault to `serde` as an error's message. `Self::of` finds the fault
        /// again by the exact message, so a message of `serde` itself, or of Rust's library, is
        /// never taken for one of ours.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum ValueFault {
            $($(#[$doc])+ #[error($($message),+)] $name,)+
        }

        impl ValueFault {
            const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

value_faults! {
    /// White space around an object of a sealed token, or before its first member.
    NotCompact => "expected a JSON object, `{{\"` first and `}}` last";
    /// A repeated name in an object whose members have names of the writer's choice.
    RepeatedName => "a member occurs twice in one object";
    /// An unknown `kem`.
    Kem => "kem: expected `x25519` or `x-wing`";
    /// A label, `sub`, with other characters or too long.
    Label => "sub: expected 1 to 128 characters of visible ASCII without `\"`, `\\`, `>` and `,`";
    /// A label that means "no label" in logs.
    NoLabel => "sub: expected another label than `-`, which logs show where there is none";
    /// The name of an upstream, `aud`, with other characters or too long.
    Upstream => "aud: expected a name of 1 to 255 characters `A-Z a-z 0-9 . _ : - [ ]`";
    /// A length of time, `expires_in`, that cannot be read.
    ExpiresIn => "expires_in: expected {}", duration::EXPECTED;
    /// A network that cannot be read, or has set bits behind its prefix.
    Network => "sender.cidr: expected a network such as `192.0.2.0/24`, without host bits";
    /// A malformed id of a chain in `from`.
    OriginChain => "from.chain: expected 32 lower-case hexadecimal digits";
    /// A malformed owner in `from`.
    OriginOwner => "from.owner: expected 64 lower-case hexadecimal digits";
    /// A malformed id of a key in `from`.
    OriginKey => "from.kid: expected the id of a key, 43 characters of `A-Z a-z 0-9 - _`";
    /// A limit of zero, or too high.
    LimitCount => "limit: expected a number from 1 to 1,000,000,000";
    /// A period that cannot be read, or is too long.
    LimitPeriod => "limit.per: expected a length of time such as `1h`: `s`, `m`, `h` or `d`, at most 31d";
    /// A limit of no kind, or of several kinds.
    LimitKind => "limit: expected exactly one of `requests` with `per`, `total`, and `concurrent`";
    /// The member `"receipt": false`.
    Receipt => "receipt: expected `true`, or nothing at all";
    /// A member for conditions that is no object.
    ConditionNames => "captures, headers, json, form: expected an object of names and tests, such as {{\"base\": \"main\"}}";
    /// A `query` that is neither an object nor the word.
    ConditionQuery => "query: expected an object of names and tests, or \"any\"";
    /// A `body` that is no word of conditions.
    ConditionBody => "body: expected \"none\" or \"any\"";
    /// A `content_type` that is no text and no list of texts.
    ConditionType => "content_type: expected a media type such as `application/json`, or a list of them";
    /// A member of a rule for git without `git`, or with members of other rules.
    GitMembers => "a rule for git has `git` and `repository`, and none of the members of other rules but `limit`";
    /// A plugin named together with members of a rule.
    PluginMembers => "an object with `plugin` has no other member";
    /// The name of a plugin with other characters or too long.
    PluginName => "plugin: the name of a plugin is 1 to 64 characters of `a-z 0-9 _ -`, a letter first";
}

impl ValueFault {
    /// Returns the fault that a reader of ours handed to `serde`, if the error is of ours.
    pub(super) fn of(error: &serde_json::Error) -> Option<Self> {
        let message = Some(error.to_string()).filter(|_| error.classify() == Category::Data)?;
        // The JSON reader adds the place.
        let own = message.split_once(" at line ").map_or(message.as_str(), |(own, _)| own);
        Self::ALL.iter().copied().find(|fault| fault.to_string() == own)
    }
}
