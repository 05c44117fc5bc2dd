//! What the scripts answer, read strictly.

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Entry, Taken};
use redis::Value;

/// End and value of each name, or nothing.
pub(super) fn read(value: Value, count: usize) -> Option<Vec<Option<Entry>>> {
    let values = array(value)?;
    if values.len() != 2 * count {
        return None;
    }
    let mut values = values.into_iter();
    let mut found = Vec::with_capacity(count);
    while let (Some(end), Some(value)) = (values.next(), values.next()) {
        found.push(match end {
            Value::Nil | Value::Boolean(false) => None,
            end => Some(entry(&end, value)?),
        });
    }
    Some(found)
}

/// Name, end and value of each; in the order of the names.
pub(super) fn list(value: Value) -> Option<Vec<(Vec<u8>, Entry)>> {
    let mut values = array(value)?.into_iter();
    let mut found = Vec::new();
    while let Some(name) = values.next() {
        found.push((bytes(name)?, entry(&values.next()?, values.next()?)?));
    }
    // The script orders them only where it must leave some out.
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Some(found)
}

pub(super) fn yes_or_no(value: Value) -> Option<bool> {
    match value {
        Value::Int(0) => Some(false),
        Value::Int(1) => Some(true),
        _ => None,
    }
}

/// `1` and what is left of each; or `0`, which one, and perhaps after how long.
pub(super) fn taken(value: Value) -> Option<Taken> {
    let numbers: Vec<u64> = array(value)?.iter().map(whole).collect::<Option<_>>()?;
    match numbers.split_first()? {
        (1, left) => Some(Taken::All(left.to_vec())),
        (0, [demand]) => Some(Taken::Not { demand: usize::try_from(*demand).ok()?, retry_after: None }),
        (0, [demand, after]) => Some(Taken::Not { demand: usize::try_from(*demand).ok()?, retry_after: Some(*after) }),
        _ => None,
    }
}

fn entry(end: &Value, value: Value) -> Option<Entry> {
    let end: u64 = match end {
        Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    Some(Entry { value: bytes(value)?, expires_at: UnixTime(end / 1000) })
}

fn array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}

fn whole(value: &Value) -> Option<u64> {
    if let Value::Int(number) = value { u64::try_from(*number).ok() } else { None }
}
