//! Programs without an entry of their own, set up by the variables that most clients of an API
//! read.

use std::sync::LazyLock;

use magicproxy_config::providers::PROVIDERS;
use magicproxy_config::providers::client::{ANY, ANY_PROGRAM as COMMON, SetupMethod};

use super::table::Client;

/// Any program: Python, Node, an agent, a shell that starts others.
pub(super) static ANY_PROGRAM: LazyLock<Client> = LazyLock::new(|| Client {
    name: "any",
    about: "any other program, by the variables that most clients of an API read",
    programs: &[],
    methods: &WAYS,
});

/// A setup method for each API, by name, and a last method for unknown APIs.
static WAYS: LazyLock<Vec<SetupMethod>> = LazyLock::new(|| {
    let mut methods: Vec<SetupMethod> =
        PROVIDERS.iter().map(|provider| provider.any_program()).collect();
    methods.sort_unstable_by_key(|method| method.preset);
    methods.push(SetupMethod {
        preset: ANY,
        variables: &[("MAGIC_API", "{api}"), ("MAGIC_TOKEN", "{token}")],
        ..COMMON
    });
    methods
});
