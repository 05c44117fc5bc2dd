//! Counters: the amount taken, in bytes of a fixed form, and the check that more may be taken.
//! Specification: `state-store.md` section 3.
//!
//! Valkey keeps the same in its own form: the script there and this module must agree, which the
//! tests show.

use magicproxy_core::state::{Bound, Holder, StoreError, WINDOW_PARTS};

use crate::checked::{after, most, window};

/// The amount taken under a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Total(u64),
    /// Parts of the window and the number taken in each, in the order of the parts.
    Window(Vec<(u64, u64)>),
    /// Ends and holders of the leases.
    Leases(Vec<(u64, Holder)>),
}

/// The refusal of an exhausted counter, with the millisecond from which more may be taken, if
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExhaustedLimit(pub(crate) Option<u64>);

impl Counter {
    /// Makes a counter from which nothing was taken yet.
    pub(crate) fn fresh(bound: &Bound) -> Self {
        match bound {
            Bound::Total(_) => Self::Total(0),
            Bound::Window(..) => Self::Window(Vec::new()),
            Bound::Concurrent(..) => Self::Leases(Vec::new()),
        }
    }

    /// Reads the result of [`bytes`](Self::bytes).
    pub(crate) fn parse(bound: &Bound, bytes: &[u8]) -> Result<Self, StoreError> {
        let parsed = match bound {
            Bound::Total(_) => {
                bytes.try_into().ok().map(|count| Self::Total(u64::from_be_bytes(count)))
            }
            Bound::Window(..) => pairs::<8>(bytes).map(|pairs| {
                Self::Window(
                    pairs
                        .into_iter()
                        .map(|(part, count)| (part, u64::from_be_bytes(count)))
                        .collect(),
                )
            }),
            Bound::Concurrent(..) => leases(bytes).map(Self::Leases),
        };
        parsed.ok_or_else(|| StoreError::Corrupt("a counter is not of its form".to_owned()))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Total(count) => count.to_be_bytes().to_vec(),
            Self::Window(parts) => parts
                .iter()
                .flat_map(|(part, count)| [part.to_be_bytes(), count.to_be_bytes()])
                .flatten()
                .collect(),
            Self::Leases(leases) => leases
                .iter()
                .flat_map(|(end, holder)| end.to_be_bytes().into_iter().chain(holder.0))
                .collect(),
        }
    }

    /// Returns the millisecond from which on nothing of the amount counts any more; `None` if the
    /// amount counts for ever.
    ///
    /// INVARIANT: an amount taken later never moves this millisecond to an earlier time.
    pub(crate) fn counts_until(&self, bound: &Bound) -> Option<u64> {
        match (self, bound) {
            (Self::Window(parts), Bound::Window(_, length)) => {
                let newest = parts.iter().map(|(part, _)| *part).max().unwrap_or(0);
                Some(ceases(newest, window(*length)))
            }
            (Self::Leases(leases), _) => {
                Some(leases.iter().map(|(end, _)| *end).max().unwrap_or(0))
            }
            (Self::Total(_) | Self::Window(_), _) => None,
        }
    }

    /// Takes one, and returns the number left.
    pub(crate) fn take(&mut self, bound: &Bound, now: u64) -> Result<u64, ExhaustedLimit> {
        match (self, bound) {
            (Self::Total(count), Bound::Total(number)) => take_total(count, most(*number)),
            (Self::Window(parts), Bound::Window(number, length)) => {
                take_window(parts, most(*number), window(*length), now)
            }
            (Self::Leases(leases), Bound::Concurrent(number, holder, lease)) => {
                take_lease(leases, most(*number), (after(now, *lease), *holder), now)
            }
            // A counter is kept under its kind, so this does not occur; doubt is denial.
            _ => Err(ExhaustedLimit(None)),
        }
    }
}

/// Reads the leases in these bytes.
pub(crate) fn leases(bytes: &[u8]) -> Option<Vec<(u64, Holder)>> {
    Some(pairs::<16>(bytes)?.into_iter().map(|(end, holder)| (end, Holder(holder))).collect())
}

fn take_total(count: &mut u64, number: u64) -> Result<u64, ExhaustedLimit> {
    if *count >= number {
        return Err(ExhaustedLimit(None));
    }
    *count += 1;
    Ok(number - *count)
}

fn take_window(
    parts: &mut Vec<(u64, u64)>,
    number: u64,
    length: u64,
    now: u64,
) -> Result<u64, ExhaustedLimit> {
    let current = now * WINDOW_PARTS / length;
    // INVARIANT: a part counts until the whole length has passed since its end, and so through the
    // 60th part after the part.
    parts.retain(|(part, _)| part + WINDOW_PARTS >= current);
    let count: u64 = parts.iter().map(|(_, count)| count).sum();
    if count >= number {
        return Err(ExhaustedLimit(free_at(parts, count, number, length)));
    }
    match parts.last_mut() {
        Some((part, count)) if *part == current => *count += 1,
        _ => parts.push((current, 1)),
    }
    Ok(number - count - 1)
}

/// Returns the millisecond in which enough parts have ceased to count to leave one.
fn free_at(parts: &[(u64, u64)], count: u64, number: u64, length: u64) -> Option<u64> {
    let mut left = count;
    for (part, count) in parts {
        left -= count;
        if left < number {
            return Some(ceases(*part, length));
        }
    }
    None
}

/// Returns the first millisecond in which the amount taken in this part does not count any more.
fn ceases(part: u64, length: u64) -> u64 {
    ((part + WINDOW_PARTS + 1) * length).div_ceil(WINDOW_PARTS)
}

fn take_lease(
    leases: &mut Vec<(u64, Holder)>,
    number: u64,
    lease: (u64, Holder),
    now: u64,
) -> Result<u64, ExhaustedLimit> {
    // A holder that asks again still has a single lease, with the length of the new lease.
    leases.retain(|(end, holder)| *end > now && *holder != lease.1);
    let count = leases.len() as u64;
    if count >= number {
        return Err(ExhaustedLimit(None));
    }
    leases.push(lease);
    Ok(number - count - 1)
}

/// Reads pairs of a number and `N` bytes.
fn pairs<const N: usize>(bytes: &[u8]) -> Option<Vec<(u64, [u8; N])>> {
    let pair = |bytes: &[u8]| {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*number), rest.try_into().ok()?))
    };
    bytes.chunks(8 + N).map(pair).collect()
}
