//! The workspace's Rust sources as the checks of the house read them: words and signs, without comments and without tests.

mod functions;
mod tokens;
mod tree;

use std::path::PathBuf;

pub(crate) use functions::{Function, reach};
pub(crate) use tokens::{Token, closing, tokens, without_tests};
pub(crate) use tree::{Crate, crates};

/// A module that lies in a file of its own.
#[derive(Debug)]
pub(crate) struct Module {
    /// The names of the modules that lead to it from the crate's root, its own last; empty for the root.
    pub(crate) path: Vec<String>,
    /// Relative to the workspace's root.
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

impl Module {
    /// The module's words and signs, without those of tests.
    pub(crate) fn tokens(&self) -> Vec<Token<'_>> {
        without_tests(tokens(&self.text))
    }
}
