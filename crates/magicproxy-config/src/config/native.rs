//! The reader of the native TOML file, which finds every fault of the file's form at once.
//!
//! serde stops at the first fault. So the faulty part is taken out of the tree, and serde reads
//! again.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::raw::RawConfig;
use crate::ground::fault::{Fault, Origin, SourceFile};
use crate::ground::suggest;
use crate::ground::userinfo::without_userinfo;

/// The most faults that are reported; nobody reads more.
const MAX_CONFIG_FAULTS: usize = 100;

/// A file as far as it could be read.
#[derive(Debug)]
pub(crate) struct NativeFile {
    pub raw: RawConfig,
    pub source: SourceFile,
    pub faults: Vec<Fault>,
}

/// Reads the text of a native configuration file.
pub(crate) fn parse(path: &Path, text: String) -> NativeFile {
    let mut hidden = Vec::new();
    let (raw, faults) = read(&text, &mut hidden);
    // Settings that may hold passwords are masked, even beside other faults.
    hidden.extend(raw.entries().into_iter().filter(|entry| entry.may_hold_secret).filter_map(
        |entry| match entry.origin {
            Origin::File(span) => Some(span.clone()),
            _ => None,
        },
    ));
    let mut source = SourceFile::new(path, text);
    for span in &hidden {
        source.mask(span);
    }
    NativeFile { raw, source, faults }
}

fn read(text: &str, hidden: &mut Vec<Range<usize>>) -> (RawConfig, Vec<Fault>) {
    let (mut tree, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors.iter().map(syntax_fault).collect();
    while faults.len() < MAX_CONFIG_FAULTS {
        let error = match RawConfig::deserialize(Deserializer::from(tree.clone())) {
            Ok(raw) => return (raw, faults),
            Err(error) => error,
        };
        if error.message().ends_with("expected a sequence")
            && error.span().is_some_and(|span| make_list(tree.get_mut(), &span))
        {
            continue;
        }
        let removed = error.span().and_then(|span| remove(tree.get_mut(), &span));
        let (message, help) = suggest::explain(
            &without_userinfo(error.message()),
            removed.as_ref().map_or("", |removed| &removed.key),
        );
        let Some(removed) = removed else {
            // Unknown keys may stand behind this fault, and their values must not be shown.
            for value in tree.get_ref().values() {
                leaves(value, hidden);
            }
            faults.push(Fault::new(message, Origin::File(error.span().unwrap_or_default())));
            break;
        };
        let unknown = error.message().starts_with("unknown field");
        if unknown || removed.key.rsplit('.').next().is_some_and(RawConfig::may_hold_secret) {
            leaves(&removed.value, hidden);
        }
        if !unknown && !errors.is_empty() {
            // After a syntax fault the parser guesses, so that a value of the wrong type may be the
            // parser's own doing.
            continue;
        }
        let fault = Fault::new(message, Origin::File(removed.span));
        // An unknown name outside of all tables may be meant for any of them.
        let fault = if unknown && !removed.key.contains('.') {
            fault
        } else {
            fault.of_setting(&removed.key)
        };
        faults.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
    }
    (RawConfig::default(), faults)
}

fn syntax_fault(error: &Error) -> Fault {
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Fault::new(message, Origin::File(error.span().unwrap_or_default()))
}

/// A part that was taken out of the tree.
struct RemovedTables<'i> {
    /// The dotted name of the part.
    key: String,
    /// The bytes to underline.
    span: Range<usize>,
    value: Spanned<DeValue<'i>>,
}

/// Takes out the innermost part of a table that an error is about: an entry, or one element of a
/// list.
fn remove<'i>(table: &mut DeTable<'i>, fault: &Range<usize>) -> Option<RemovedTables<'i>> {
    let keys: Vec<_> = table.keys().cloned().collect();
    for key in keys {
        let value = table.get_mut(&key)?;
        if key.span() == *fault {
            let value = table.remove(&key)?;
            return Some(RemovedTables { key: key.get_ref().to_string(), span: key.span(), value });
        }
        // The span of a table is the span of the header, so tables are searched whatever the span
        // is.
        let inner = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, fault).map(|inner| RemovedTables {
                key: format!("{}.{}", key.get_ref(), inner.key),
                ..inner
            }),
            // The last element goes with its list: an empty list would be reported as a second
            // fault.
            DeValue::Array(list) if list.len() > 1 => {
                take_element(list, |element| holds(element, fault)).map(|value| RemovedTables {
                    key: key.get_ref().to_string(),
                    span: fault.clone(),
                    value,
                })
            }
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
        if holds(value, fault) {
            let value = table.remove(&key)?;
            return Some(RemovedTables {
                key: key.get_ref().to_string(),
                span: fault.clone(),
                value,
            });
        }
    }
    None
}

/// True if the fault is about this value, or about a part of the value. The elements of `[[list]]`
/// have the spans of their headers.
fn holds(value: &Spanned<DeValue<'_>>, fault: &Range<usize>) -> bool {
    let span = value.span();
    if span.start <= fault.start && fault.end <= span.end {
        return true;
    }
    match value.get_ref() {
        DeValue::Table(table) => {
            table.iter().any(|(key, inner)| key.span() == *fault || holds(inner, fault))
        }
        DeValue::Array(list) => list.iter().any(|element| holds(element, fault)),
        _ => false,
    }
}

/// Makes a list of a single value where a list was expected. Returns true if such a value was
/// found.
fn make_list(table: &mut DeTable<'_>, fault: &Range<usize>) -> bool {
    table.iter_mut().any(|(_, value)| {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(_) | DeValue::Table(_) if span == *fault => {
                let single = std::mem::replace(value.get_mut(), DeValue::Array(DeArray::new()));
                *value.get_mut() =
                    DeValue::Array([Spanned::new(span, single)].into_iter().collect());
                true
            }
            DeValue::Table(inner) => make_list(inner, fault),
            DeValue::Array(list) => list.iter_mut().any(|element| match element.get_mut() {
                DeValue::Table(inner) => make_list(inner, fault),
                _ => false,
            }),
            _ => false,
        }
    })
}

fn take_element<'i>(
    list: &mut DeArray<'i>,
    is_it: impl Fn(&Spanned<DeValue<'i>>) -> bool,
) -> Option<Spanned<DeValue<'i>>> {
    let at = list.iter().position(is_it)?;
    let mut elements: Vec<_> = std::mem::replace(list, DeArray::new()).into_iter().collect();
    let taken = elements.remove(at);
    *list = elements.into_iter().collect();
    Some(taken)
}

/// Collects the spans of the values in a part of the tree.
fn leaves(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.values().for_each(|inner| leaves(inner, spans)),
        DeValue::Array(list) => list.iter().for_each(|inner| leaves(inner, spans)),
        _ => spans.push(value.span()),
    }
}
