//! The replies of the scripts, read strictly.

use magicproxy_core::UnixTime;
use magicproxy_core::state::{Entry, FullScope, TakeResult};
use redis::Value;

/// Reads end and value of each name, or nothing.
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

/// Reads name, end and value of each entry, and returns the entries in the order of their names.
pub(super) fn list(value: Value) -> Option<Vec<(Vec<u8>, Entry)>> {
    let mut values = array(value)?.into_iter();
    let mut found = Vec::new();
    while let Some(name) = values.next() {
        found.push((bytes(name)?, entry(&values.next()?, values.next()?)?));
    }
    // The script orders entries only if some must be left out.
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

/// The result of a call that may add rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteResult<T> {
    /// The call was carried out, or a condition did not hold.
    Done(T, Option<Rows>),
    /// The rows did not fit.
    Full(FullScope),
}

/// The number of added rows, and by how many more rows end at each millisecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) added: i64,
    pub(super) ends: Vec<(u64, i64)>,
}

/// Reads the reply to `apply`: `0`, if a condition did not hold; `1` and the rows; or the full part
/// of the store.
pub(super) fn applied(value: Value) -> Option<WriteResult<bool>> {
    let numbers: Vec<i64> = array(value)?.iter().map(signed).collect::<Option<_>>()?;
    match numbers.as_slice() {
        [0] => Some(WriteResult::Done(false, None)),
        [1, added, end] => Some(WriteResult::Done(true, rows(*added, &[*end, *added]))),
        [what] => full(*what).map(WriteResult::Full),
        _ => None,
    }
}

/// Reads the reply to `take`: `1`, the rows, the number of pairs of ends, the pairs, and the number
/// left of each demand; `0`, the demand, and perhaps the time to wait; or the full part of the
/// store.
pub(super) fn taken(value: Value) -> Option<WriteResult<TakeResult>> {
    let numbers: Vec<i64> = array(value)?.iter().map(signed).collect::<Option<_>>()?;
    let whole = |number: &i64| u64::try_from(*number).ok();
    let none_left = |demand: &i64, retry_after| {
        let demand = usize::try_from(*demand).ok()?;
        Some(WriteResult::Done(TakeResult::Not { demand, retry_after }, None))
    };
    match numbers.as_slice() {
        [1, added, pairs, rest @ ..] => {
            let (ends, left) =
                rest.split_at_checked(usize::try_from(*pairs).ok()?.checked_mul(2)?)?;
            let left = left.iter().map(whole).collect::<Option<_>>()?;
            Some(WriteResult::Done(TakeResult::All(left), rows(*added, ends)))
        }
        [0, demand] => none_left(demand, None),
        [0, demand, after] => none_left(demand, Some(whole(after)?)),
        [what] => full(*what).map(WriteResult::Full),
        _ => None,
    }
}

/// Reads the number of all rows.
pub(super) fn total(value: &Value) -> Option<u64> {
    u64::try_from(signed(value)?).ok()
}

fn full(what: i64) -> Option<FullScope> {
    match what {
        2 => Some(FullScope::Partition),
        3 => Some(FullScope::Store),
        4 => Some(FullScope::Allowance),
        5 => Some(FullScope::Counters),
        _ => None,
    }
}

/// Returns the changes of rows; `None` if no end gains or loses rows.
fn rows(added: i64, pairs: &[i64]) -> Option<Rows> {
    let pairs = pairs.as_chunks::<2>().0.iter();
    let ends = pairs
        .filter(|[_, rows]| *rows != 0)
        .map(|[end, rows]| (u64::try_from(*end).unwrap_or(0), *rows));
    let ends: Vec<(u64, i64)> = ends.collect();
    (!ends.is_empty()).then_some(Rows { added, ends })
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

fn signed(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}
