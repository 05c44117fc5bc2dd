//! The capabilities that a client chose, behind the NUL of its first command.

use crate::object_id::ObjectFormat;

use super::CommandListFault;

/// Words that git's clients send and that change nothing here: what the sender's progress, packs and
/// deletions may be like.
const WITHOUT_MEANING: [&str; 6] =
    ["delete-refs", "no-thin", "ofs-delta", "quiet", "side-band", "thin-pack"];
/// Names of words with a value that says who sends.
const LABELS: [&str; 2] = ["agent", "session-id"];

/// The chosen capabilities, each at most once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    report_status: bool,
    side_band: bool,
    atomic: bool,
    push_options: bool,
    format: Option<ObjectFormat>,
}

impl Capabilities {
    /// Returns the capabilities that a current git chooses.
    pub(super) fn usual(format: ObjectFormat) -> Self {
        Self { report_status: true, side_band: true, format: Some(format), ..Self::default() }
    }

    /// Reads words between single or several spaces.
    ///
    /// git looks for words between any white space, and takes `atomic=…` for `atomic`: a word that
    /// is unknown here may be known there.
    pub(super) fn parse(text: &[u8]) -> Result<Self, CommandListFault> {
        if !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Err(CommandListFault::Capability);
        }
        let text = std::str::from_utf8(text).map_err(|_| CommandListFault::Capability)?;
        let mut words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let mut chosen = Self::default();
        words.iter().try_for_each(|word| chosen.choose(word))?;
        words.iter_mut().for_each(|word| *word = name(word));
        words.sort_unstable();
        if words.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(CommandListFault::Capability);
        }
        Ok(chosen)
    }

    fn choose(&mut self, word: &str) -> Result<(), CommandListFault> {
        match word.split_once('=') {
            None => match word {
                "report-status" | "report-status-v2" => self.report_status = true,
                "side-band-64k" => self.side_band = true,
                "atomic" => self.atomic = true,
                "push-options" => self.push_options = true,
                _ if WITHOUT_MEANING.contains(&word) => {}
                _ => return Err(CommandListFault::Capability),
            },
            Some(("object-format", value)) => {
                let format = ObjectFormat::parse(value).ok_or(CommandListFault::ObjectFormat)?;
                self.format = Some(format);
            }
            Some((name, _)) if LABELS.contains(&name) => {}
            Some(_) => return Err(CommandListFault::Capability),
        }
        Ok(())
    }

    pub(super) fn report_status(&self) -> bool {
        self.report_status
    }

    pub(super) fn side_band(&self) -> bool {
        self.side_band
    }

    pub(super) fn atomic(&self) -> bool {
        self.atomic
    }

    pub(super) fn push_options(&self) -> bool {
        self.push_options
    }

    pub(super) fn object_format(&self) -> ObjectFormat {
        self.format.unwrap_or_default()
    }
}

/// Returns a word without its value.
fn name(word: &str) -> &str {
    word.split_once('=').map_or(word, |(name, _)| name)
}
