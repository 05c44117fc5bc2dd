//! The types of `wit/since_v1`, as wasmtime's macro makes them. Specification: `plugin.md`
//! section 2.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    reason = "a macro makes it"
)]

wasmtime::component::bindgen!({
    path: "wit/since_v1",
    world: "plugin",
    // A long body goes from the proxy's memory into the guest's, without a copy in between.
    ownership: Borrowing { duplicate_if_necessary: false },
    imports: {
        "magicproxy:plugin/state": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});
