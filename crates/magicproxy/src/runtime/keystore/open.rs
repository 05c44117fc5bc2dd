//! The keys as a command uses them: opened, and named to the user.

use super::{Keys, Keystore};
use crate::ground::output::{note, remark};
use magicproxy_config::config::keys::KEYS_HERE;
use magicproxy_config::ground::fault::{Fault, Faults};
use magicproxy_config::ground::text::harmless;

impl Keystore {
    /// Reads the keys, and says on standard error which is the active key. An error, if there are
    /// none.
    pub(crate) fn open(&self) -> Result<Keys, Faults> {
        let keys = self.load_existing().map_err(|faults| self.with_hint(faults))?;
        self.say(&keys);
        Ok(keys)
    }

    /// Reads the keys like [`Keystore::open`]; `None`, if none were ever made.
    pub(crate) fn open_if_there(&self) -> Result<Option<Keys>, Faults> {
        let keys = self.load().map_err(|faults| self.with_hint(faults))?;
        match &keys {
            Some(keys) => self.say(keys),
            None => self.say_what_is_passed_over(),
        }
        Ok(keys)
    }

    /// Refuses to change a folder, if the user could mean `./keys` instead.
    pub(crate) fn ensure_meant(&self) -> Result<(), String> {
        if !self.passed_over {
            return Ok(());
        }
        let other = harmless(&self.folder().display().to_string());
        Err(format!(
            "./{KEYS_HERE} is not used here: --keys ./{KEYS_HERE} means it, --keys {other} the usual folder"
        ))
    }

    fn say(&self, keys: &Keys) {
        if let Some(active) = keys.held.first() {
            let path = std::path::absolute(&active.path).unwrap_or_else(|_| active.path.clone());
            remark(&format!(
                "using the key {} of {}",
                active.id,
                harmless(&path.display().to_string())
            ));
        }
        keys.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        self.say_what_is_passed_over();
    }

    fn say_what_is_passed_over(&self) {
        if self.passed_over {
            remark(&format!("./{KEYS_HERE} is not used here: --keys ./{KEYS_HERE}"));
        }
    }

    /// Adds to the faults a hint that the keys in the working directory are not used.
    fn with_hint(&self, faults: Faults) -> Faults {
        if !self.passed_over {
            return faults;
        }
        let hint = |fault: Fault| {
            let help = fault.help.clone().map_or_else(String::new, |help| format!("; {help}"));
            fault.help(format!(
                "./{KEYS_HERE} is not used here: --keys ./{KEYS_HERE} means it{help}"
            ))
        };
        Faults { faults: faults.faults.into_iter().map(hint).collect(), sources: faults.sources }
    }
}
