//! The query of a request, split and decoded once for all rules of all lists.

use std::sync::OnceLock;

use crate::condition::steps::{Steps, steps_of_split};

use super::piece::{Pair, Plus};
use super::{BadSyntax, PlusReading, read_pairs};

/// A store for the query of one request, filled by the first rule that looks at the query. Rules
/// that are asked again, once the body was read, find it split.
#[derive(Debug, Default)]
pub struct QueryCache(OnceLock<SplitQuery>);

/// A query, split in each reading of `+` that was asked for.
#[derive(Debug)]
struct SplitQuery {
    query: String,
    as_blank: OnceLock<OwnedPairs>,
    as_plus: OnceLock<OwnedPairs>,
}

type OwnedPairs = Result<Vec<Pair<'static>>, BadSyntax>;

/// The query of a request as rules see it.
#[derive(Clone, Copy, Debug)]
pub(in crate::condition) struct QueryView<'r> {
    pub(in crate::condition) text: &'r str,
    pub(in crate::condition) plus: PlusReading,
    pub(in crate::condition) cache: Option<&'r QueryCache>,
}

impl QueryCache {
    /// Returns the pairs of a query, where this is the query of the cache.
    fn pairs(
        &self,
        query: &str,
        plus: Plus,
        steps: &mut Steps,
    ) -> Option<Result<&[Pair<'static>], &BadSyntax>> {
        let empty = || SplitQuery {
            query: query.to_owned(),
            as_blank: OnceLock::new(),
            as_plus: OnceLock::new(),
        };
        let split = self.0.get_or_init(empty);
        // The pairs of another query would be a way around the rule.
        if split.query != query {
            return None;
        }
        let pairs = match plus {
            Plus::IsBlank => &split.as_blank,
            Plus::IsItself => &split.as_plus,
        };
        let read = || {
            steps.take(steps_of_split(query));
            let pairs = read_pairs(query, plus)?;
            Ok(pairs.into_iter().map(Pair::into_owned).collect())
        };
        Some(pairs.get_or_init(read).as_deref())
    }
}

impl QueryView<'_> {
    /// Hands the pairs of the query to `judge`, split now or before.
    pub(super) fn with_pairs<T>(
        self,
        plus: Plus,
        steps: &mut Steps,
        judge: impl FnOnce(Result<&[Pair<'_>], &BadSyntax>, &mut Steps) -> T,
    ) -> T {
        match self.cache.and_then(|cache| cache.pairs(self.text, plus, steps)) {
            Some(pairs) => judge(pairs, steps),
            None => {
                steps.take(steps_of_split(self.text));
                judge(read_pairs(self.text, plus).as_deref(), steps)
            }
        }
    }
}
