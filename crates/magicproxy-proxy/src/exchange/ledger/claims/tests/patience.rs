//! How old the look before the question may be. `state.md` section 5.6.

use super::*;

/// More than 60 seconds after its look a list item is not claimed, whatever the upstream has answered: what happened meanwhile may
/// have left no trace.
#[test]
fn what_was_looked_at_a_minute_ago_is_not_claimed() {
    block_on(async {
        // A minute cannot be met to the moment: the first has ten seconds left, the last is just over.
        for (age, claimed) in [(0, true), (50_000, true), (60_001, false), (120_000, false)] {
            let stage = Stage::set();
            let mut claim = stage.read_claim(0, ItemAction::Create).await.unwrap();
            claim.looked_at -= Duration::from_millis(age);
            let done = stage.ledger.claim(&claim, ends_at(), RowLimits::UNBOUNDED).await;
            match done {
                Ok(done) => assert!(done && claimed, "{age}"),
                Err(rejection) => assert!(
                    !claimed && matches!(rejection, Rejection::CannotTell),
                    "{age}: {rejection:?}"
                ),
            }
            let kept = stage
                .store
                .list(Partition::of(&[b"list"]), Vec::new(), 9, clock::now())
                .await
                .unwrap();
            assert_eq!(kept.len(), usize::from(claimed), "{age}");
        }
    });
}

/// A machine that slept moves the clock by which entries end, and not the one that measures.
#[test]
fn what_was_looked_at_before_a_sleep_is_not_claimed() {
    block_on(async {
        for (slept, claimed) in [(0, true), (40, true), (90, false), (3600, false)] {
            let stage = Stage::set();
            let mut claim = stage.read_claim(0, ItemAction::Create).await.unwrap();
            claim.read_at.0 -= slept;
            let done = stage.ledger.claim(&claim, ends_at(), RowLimits::UNBOUNDED).await;
            assert_eq!(done.is_ok_and(|done| done), claimed, "{slept}");
        }
    });
}

/// `state.md` section 5.8: an owner holds at most 1,000 items of one list, whether it is told before the upstream is asked or, where
/// others were faster, when it claims.
#[test]
fn an_owner_holds_a_thousand_items_of_one_list() {
    block_on(async {
        for (held, has_room) in [(999, true), (1_000, false)] {
            let stage = Stage::set();
            let touched = touched(0, 0, ItemAction::Create);
            let entry = Entry { value: touched.ownership(Reliance::Nobody), expires_at: ends_at() };
            let others = touched_names(held).map(|name| Change::Put(name, entry.clone())).collect();
            let claim = stage.read_claim(0, ItemAction::Create).await.unwrap();
            assert!(
                stage
                    .store
                    .apply(touched.partition, Vec::new(), others, clock::now())
                    .await
                    .unwrap()
            );
            match stage.ledger.ensure_list_room(&claim, RowLimits::UNBOUNDED).await {
                Ok(()) => assert!(has_room, "{held}"),
                Err(rejection) => assert!(
                    !has_room && matches!(rejection, Rejection::TooManyGrants(1_000)),
                    "{rejection:?}"
                ),
            }
            assert_eq!(stage.claim(&claim).await, has_room, "{held}");
        }
    });
}

/// Names of so many items that the tests make nowhere else.
fn touched_names(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| format!("other {number}").into_bytes())
}
