//! Text for people: reasons of system errors, text from strangers without control characters, and
//! the use of colour (`NO_COLOR`).

use std::io::{self, IsTerminal as _};

/// Returns the reason of a system error, in this program's style.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "the address is not one of this machine".to_owned(),
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        io::ErrorKind::ConnectionReset => "the connection was reset".to_owned(),
        io::ErrorKind::TimedOut => "no response came in time".to_owned(),
        io::ErrorKind::HostUnreachable => "there is no way to this host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "there is no way to this network".to_owned(),
        // The error of reading a file as text; other errors of this kind carry their own reason.
        io::ErrorKind::InvalidData if error.get_ref().is_none() => "expected UTF-8 text".to_owned(),
        io::ErrorKind::IsADirectory => "this is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Returns text from a stranger with everything escaped that a terminal obeys.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect()
}

/// True for a character that a terminal obeys instead of showing it: control characters, ends of
/// lines, marks that turn the direction of text, and characters that are not seen at all.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns the beginning of a text that may be a secret in the wrong place.
pub fn masked(text: &str) -> String {
    const SHOWN: usize = 6;
    if text.chars().count() <= 2 * SHOWN {
        return harmless(text);
    }
    format!("{}…", harmless(&text.chars().take(SHOWN).collect::<String>()))
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Decides whether escape sequences for colour are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Written: to a terminal whose owner has not set `NO_COLOR`.
    On,
    /// Not written: to anything else.
    Off,
}

impl Colour {
    /// Returns the choice for standard error.
    pub fn of_stderr() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if io::stderr().is_terminal() && !unwanted && !dumb { Self::On } else { Self::Off }
    }

    /// True if escape sequences are written.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}
