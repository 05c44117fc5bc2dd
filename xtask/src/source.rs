//! The workspace's Rust sources, as the house checks read them: words and signs, without comments
//! and without tests.

mod functions;
mod tokens;
mod tree;

use std::path::PathBuf;

pub(crate) use functions::{Function, reach};
pub(crate) use tokens::{Token, closing, tokens, without_tests};
pub(crate) use tree::{Crate, crates};

/// A module with a file of its own.
#[derive(Debug)]
pub(crate) struct Module {
    /// The names of the modules from the crate's root down to the module, the module's own name
    /// last; empty for the root.
    pub(crate) path: Vec<String>,
    /// The path of the file, relative to the workspace's root.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

impl Module {
    /// Returns the module's words and signs, without tests.
    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        without_tests(tokens(&self.text))
    }
}
