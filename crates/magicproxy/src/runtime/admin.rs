//! The admin listener: health, readiness, version and metrics of a running proxy, and operations on
//! it, on addresses of its own (`docs/spec/admin.md`).

#![allow(dead_code, reason = "the listener and the reload meet in a later change")]

pub(crate) mod operations;
