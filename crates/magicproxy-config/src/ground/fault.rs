//! Faults of a configuration: all reported at once, each with its place and a suggestion.
//!
//! The value of an unknown setting is never shown, because the value could be a secret in the wrong
//! place.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use serde_json::json;

use crate::ground::userinfo::{in_source, without_userinfo};

/// The place where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(String),
    /// The native configuration file, and the range of bytes in the file.
    File(Range<usize>),
    /// The Python program's JSON file, and the range of bytes in the file, if found.
    PythonFile(Option<Range<usize>>),
    /// A preset.
    Preset(&'static str),
    /// Not given: a default.
    Default,
}

/// A configuration file that was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The path of the file, as it was named.
    pub path: PathBuf,
    /// The text of the file, without secrets.
    pub text: String,
}

impl SourceFile {
    /// Makes a file that excerpts may show: without the users and passwords in URLs. Offsets do not
    /// change.
    pub fn new(path: &Path, text: String) -> Self {
        let mut file = Self { path: path.to_owned(), text };
        in_source(&file.text).iter().for_each(|span| file.mask(span));
        file
    }

    /// Overwrites bytes with `*`, so that no excerpt shows them. Offsets do not change.
    pub fn mask(&mut self, span: &Range<usize>) {
        let hidden: String =
            self.text.get(span.clone()).unwrap_or_default().chars().map(masked).collect();
        if hidden.len() == span.len() {
            self.text.replace_range(span.clone(), &hidden);
        }
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before.get(line_start..).unwrap_or_default().chars().count() + 1,
        )
    }
}

/// Returns as many `*` as the character has bytes, so that offsets do not change.
fn masked(character: char) -> String {
    if character == '\n' { "\n".to_owned() } else { "*".repeat(character.len_utf8()) }
}

/// The configuration files that were read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The native file.
    pub native: Option<SourceFile>,
    /// The Python program's file.
    pub python: Option<SourceFile>,
}

impl Sources {
    fn place<'a>(&'a self, origin: &Origin) -> Option<(&'a SourceFile, Option<Range<usize>>)> {
        match origin {
            Origin::File(span) => self.native.as_ref().map(|file| (file, Some(span.clone()))),
            Origin::PythonFile(span) => self.python.as_ref().map(|file| (file, span.clone())),
            Origin::Flag(_) | Origin::Environment(_) | Origin::Preset(_) | Origin::Default => None,
        }
    }

    /// Returns the paths of the files that were read.
    pub fn files(&self) -> Vec<String> {
        [&self.native, &self.python]
            .into_iter()
            .flatten()
            .map(|file| file.path.display().to_string())
            .collect()
    }

    /// Returns the place of a value, in words.
    pub fn describe(&self, origin: &Origin) -> String {
        match (origin, self.place(origin)) {
            (_, Some((file, Some(span)))) => {
                format!("{}:{}", file.path.display(), file.line_and_column(span.start).0)
            }
            (_, Some((file, None))) => file.path.display().to_string(),
            (Origin::Flag(flag), None) => format!("flag {flag}"),
            (Origin::Environment(name), None) => format!("environment {name}"),
            (Origin::Preset(name), None) => format!("preset {name}"),
            (_, None) => "default".to_owned(),
        }
    }

    /// Returns the folder from which relative paths of this origin start: the native file's folder;
    /// `None` means the working directory.
    pub fn base(&self, origin: &Origin) -> Option<&Path> {
        match origin {
            Origin::File(_) => self.native.as_ref().and_then(|file| file.path.parent()),
            _ => None,
        }
    }

    /// Joins a path of this origin to the folder from which the path starts.
    pub fn absolute(&self, path: PathBuf, origin: &Origin) -> PathBuf {
        self.base(origin).map_or_else(|| path.clone(), |base| base.join(&path))
    }
}

/// A fault of a configuration.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The fault, in one line.
    pub message: String,
    /// A suggestion to mend the fault.
    pub help: Option<String>,
    /// The place of the faulty setting.
    pub origin: Origin,
    /// True if the faulty text may be a secret.
    hidden: bool,
    /// The first name of the faulty setting's key, such as `timeouts`, where the key is known.
    section: Option<String>,
}

impl Fault {
    /// Makes a fault without a suggestion. Users and passwords in URLs are removed from the
    /// message.
    pub fn new(message: impl Into<String>, origin: Origin) -> Self {
        let message = without_userinfo(&message.into()).into_owned();
        Self { message, help: None, origin, hidden: false, section: None }
    }

    /// Says to which setting the fault belongs, by the setting's key.
    pub fn of_setting(self, key: &str) -> Self {
        Self { section: key.split('.').next().map(str::to_owned), ..self }
    }

    /// True if the fault certainly belongs to none of these sections of the configuration.
    pub fn is_beside(&self, sections: &[&str]) -> bool {
        self.section.as_ref().is_some_and(|section| !sections.contains(&section.as_str()))
    }

    /// Adds a suggestion.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(without_userinfo(&help.into()).into_owned()), ..self }
    }

    /// Hides the faulty text from excerpts.
    pub fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// True if both faults have the same message and place.
    pub fn tells_the_same_as(&self, other: &Self) -> bool {
        self.message == other.message && self.origin == other.origin
    }
}

/// All faults of a configuration.
#[derive(Debug)]
pub struct Faults {
    /// The faults in the order of the file; faults without a place come first.
    pub faults: Vec<Fault>,
    /// The files in which the faults are.
    pub sources: Sources,
}

impl Faults {
    /// Makes the report of a single fault without a place in a file.
    pub fn one(fault: Fault) -> Self {
        Self { faults: vec![fault], sources: Sources::default() }
    }

    /// Makes the report of these faults, in the order of the file; faults without a place come
    /// first.
    pub fn new(faults: Vec<Fault>, mut sources: Sources) -> Self {
        for fault in faults.iter().filter(|fault| fault.hidden) {
            if let (Origin::File(span), Some(file)) = (&fault.origin, &mut sources.native) {
                file.mask(span);
            }
        }
        // Equal rules of a Python file share one place, the place of the first rule.
        let mut told: Vec<Fault> = Vec::new();
        for fault in faults {
            if !told.iter().any(|known| known.tells_the_same_as(&fault)) {
                told.push(fault);
            }
        }
        let mut faults = told;
        faults.sort_by_key(|fault| match &fault.origin {
            Origin::File(span) => (1, span.start),
            Origin::PythonFile(span) => (2, span.as_ref().map_or(0, |span| span.start)),
            Origin::Flag(_) | Origin::Environment(_) | Origin::Preset(_) | Origin::Default => {
                (0, 0)
            }
        });
        Self { faults, sources }
    }

    /// Returns the faults with excerpts, for people.
    pub fn render(&self, colour: crate::ground::text::Colour) -> String {
        let theme = if colour.is_on() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(120);
        let mut text = String::new();
        for fault in &self.faults {
            // Writing to a string does not fail.
            let _ = handler.render_report(&mut text, &Report::new(fault, &self.sources));
            text.push('\n');
        }
        let count = self.faults.len();
        text + &format!(
            "error: {count} {} in the configuration",
            if count == 1 { "fault" } else { "faults" }
        )
    }

    /// Returns the messages of all faults in one line.
    pub fn summary(&self) -> String {
        self.faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; ")
    }

    /// Writes the faults as lines of the log.
    pub fn log(&self) {
        for fault in &self.faults {
            let place = self.place_of(fault);
            tracing::error!(name: "config_fault", target: "magicproxy::config::fault", place, help = fault.help, "{}", fault.message);
        }
    }

    /// Returns each fault in one line, with its place.
    pub fn in_lines(&self) -> Vec<String> {
        let line = |fault: &Fault| match &fault.origin {
            Origin::Default => fault.message.clone(),
            _ => format!("{}: {}", self.place_of(fault), fault.message),
        };
        self.faults.iter().map(line).collect()
    }

    fn place_of(&self, fault: &Fault) -> String {
        match self.sources.place(&fault.origin) {
            Some((file, Some(span))) => {
                let (line, column) = file.line_and_column(span.start);
                format!("{}:{line}:{column}", file.path.display())
            }
            _ => self.sources.describe(&fault.origin),
        }
    }

    /// Returns the faults for programs, as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let fault = |fault: &Fault| {
            let place = self.sources.place(&fault.origin);
            let position = place
                .as_ref()
                .and_then(|(file, span)| Some(file.line_and_column(span.as_ref()?.start)));
            json!({
                "message": fault.message,
                "help": fault.help,
                "source": self.sources.describe(&fault.origin),
                "file": place.map(|(file, _)| file.path.display().to_string()),
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
            })
        };
        self.faults.iter().map(fault).collect()
    }
}

/// A fault in the form that miette draws.
#[derive(Debug)]
struct Report {
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    span: Option<Range<usize>>,
}

impl Report {
    fn new(fault: &Fault, sources: &Sources) -> Self {
        let place = sources.place(&fault.origin).filter(|(_, span)| span.is_some());
        let message = match (&place, &fault.origin) {
            (Some(_), _) | (None, Origin::Default) => fault.message.clone(),
            (None, origin) => format!("{} ({})", fault.message, sources.describe(origin)),
        };
        let source = place
            .as_ref()
            .map(|(file, _)| NamedSource::new(file.path.display().to_string(), file.text.clone()));
        Self { message, help: fault.help.clone(), source, span: place.and_then(|(_, span)| span) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}
