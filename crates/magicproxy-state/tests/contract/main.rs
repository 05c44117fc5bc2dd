//! What every store must do, asked of each; and what only some can go through: crashes, full disks, lost connections.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may stop where they stand"
)]

mod concurrency;
mod counters;
mod crash;
mod disk;
mod entries;
mod histories;
mod limits;
mod links;
mod model;
mod rows;
mod support;
mod topologies;
