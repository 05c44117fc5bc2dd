//! Fuzzes configuration files, native and of the Python program: no text makes the reader panic or
//! hang, every refusal gives a reason, and no refusal shows the value of an unknown key, which may
//! be a secret in the wrong place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magicproxy_config::{ConfigurationForm, check_configuration};

const SECRET: &str = "hunter2hunter2";

fuzz_target!(|text: &str| {
    // A text with file names would make the reader open files of this machine.
    if text.contains("file") || text.contains(SECRET) || text.len() > 8 * 1024 {
        return;
    }
    for form in [ConfigurationForm::Toml, ConfigurationForm::PythonJson] {
        if let Err(faults) = check_configuration(text, form) {
            assert!(!faults.trim().is_empty(), "a refusal without a reason");
        }
    }
    let with_secret = format!("unheard_of_key = \"{SECRET}\"\n{text}");
    if let Err(faults) = check_configuration(&with_secret, ConfigurationForm::Toml) {
        // Faults of TOML syntax show the faulty lines unchanged.
        assert!(
            toml_is_broken(text) || !faults.contains(SECRET),
            "a refusal shows a value that may be a secret"
        );
    }
});

fn toml_is_broken(text: &str) -> bool {
    text.parse::<toml::Table>().is_err()
}
