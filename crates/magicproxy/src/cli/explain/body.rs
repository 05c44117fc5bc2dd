//! `explain --body`: the body of the request.

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::ground::failure::Failure;

/// The longest body, in bytes: no proxy looks into a longer one.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// The body of a request, as far as it is given.
#[derive(Debug, Default)]
pub(super) struct ExplainedBody(Option<Vec<u8>>);

impl ExplainedBody {
    /// Reads the file of `--body`, or standard input for `-`.
    pub(super) fn read(file: Option<&Path>, token: &str) -> Result<Self, Failure> {
        let Some(path) = file else { return Ok(Self::default()) };
        let named = || format!("body: `{}`", path.display());
        let bytes = if path == Path::new("-") {
            if matches!(token, "-" | "@-") {
                return Err(Failure::usage("standard input is the token or the body, not both"));
            }
            bounded(std::io::stdin().lock()).context("body: standard input")
        } else {
            std::fs::File::open(path)
                .map_err(anyhow::Error::from)
                .and_then(bounded)
                .with_context(named)
        };
        Ok(Self(Some(bytes?)))
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }

    /// Adds the body to the question for a proxy: as a text if it is one.
    pub(super) fn put_in(&self, question: &mut Value) {
        let (Some(body), Some(members)) = (&self.0, question.as_object_mut()) else { return };
        let (name, value) = match std::str::from_utf8(body) {
            Ok(text) => ("body", json!(text)),
            Err(_) => ("body_base64", json!(BASE64_STANDARD.encode(body))),
        };
        members.insert(name.to_owned(), value);
    }
}

fn bounded(source: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BODY_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BODY_BYTES {
        anyhow::bail!("longer than {MAX_BODY_BYTES} bytes");
    }
    Ok(bytes)
}
