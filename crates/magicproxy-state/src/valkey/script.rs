//! The scripts, each for a call of the contract: the server runs a script in a single piece.

use std::sync::LazyLock;

use redis::Script;

/// A script of the store.
pub(super) struct StoreScript {
    pub(super) script: LazyLock<Script>,
    pub(super) text: &'static str,
    /// True if the script changes nothing, and so may be run again.
    pub(super) only_reads: bool,
}

macro_rules! script {
    ($name:ident, $file:literal, $only_reads:literal) => {
        pub(super) static $name: StoreScript = StoreScript {
            script: LazyLock::new(|| {
                Script::new(concat!(include_str!("prelude.lua"), include_str!($file)))
            }),
            text: concat!(include_str!("prelude.lua"), include_str!($file)),
            only_reads: $only_reads,
        };
    };
}

script!(READ, "read.lua", true);
script!(LIST, "list.lua", true);
script!(APPLY, "apply.lua", false);
script!(TAKE, "take.lua", false);
script!(TOTAL, "total.lua", false);
script!(RENEW, "renew.lua", false);
script!(GIVE_BACK, "give_back.lua", false);

#[cfg(test)]
mod tests {
    use magicproxy_core::state::WINDOW_PARTS;

    use crate::checked::{GRACE_SECONDS, LATEST_SECONDS};

    #[test]
    fn the_scripts_reckon_with_our_numbers() {
        let prelude = include_str!("prelude.lua");
        for line in [
            format!("local GRACE = {}", GRACE_SECONDS * 1000),
            format!("local PARTS = {WINDOW_PARTS}"),
            format!("local DAY = {}", super::super::total::DAY),
            format!("local MOST = {}", super::super::MOST_ROWS),
            format!("local LATEST = {}", LATEST_SECONDS * 1000),
        ] {
            assert!(prelude.lines().any(|found| found == line), "{line}");
        }
        const { assert!(LATEST_SECONDS * 1000 * WINDOW_PARTS < 1 << 53) };
    }
}
