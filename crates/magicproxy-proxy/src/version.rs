//! The version of the program.

/// The version that responses and `GET /__magictoken` show.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
