//! What one request has made stays its owner's, whatever becomes of that owner's others. `state.md` section 5.7.

use super::*;

const REQUESTS: usize = 3;
/// The look, the claim, and the end of each.
const STEPS: usize = 3;
const ENDS: [End; 4] = [End::Response(204), End::Response(422), End::Response(503), End::Left];

/// What stands under the name at first, and for how many seconds yet: what one request has made lasts from the beginning.
const BEFORE: [Option<(Reliance, u64)>; 3] =
    [None, Some((Reliance::Several, 300)), Some((Reliance::SeveralMade, 3600))];

/// Every order of the steps of all requests, of which the first begins first, and so on: the others differ by names only.
fn orders() -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for _ in 0..REQUESTS * STEPS {
        let longer = orders.iter().flat_map(|order: &Vec<usize>| {
            let count = |at: usize| order.iter().filter(|step| **step == at).count();
            let next = (0..REQUESTS)
                .filter(move |at| count(*at) < STEPS && (*at == 0 || count(*at - 1) > 0));
            next.map(|at| [order.as_slice(), &[at]].concat()).collect::<Vec<_>>()
        });
        orders = longer.collect();
    }
    orders
}

impl Stage {
    /// What was looked at, once it is claimed; none where the request is refused, since its owner has the list item no longer.
    async fn claimed(&self, mut claim: Claim) -> Option<Claim> {
        while !self.claim(&claim).await {
            claim = self.ledger.read_claim_again(&claim).await.ok()?;
        }
        Some(claim)
    }
}

/// Requests of one owner that create one list item, step by step; gives when that is no longer its own, where one has made it.
async fn expiry_after(
    before: Option<(Reliance, u64)>,
    order: &[usize],
    ends: [End; REQUESTS],
) -> Option<u64> {
    let stage = Stage::set();
    if let Some((reliance, seconds)) = before {
        let of = touched(0, 0, ItemAction::Create);
        let entry =
            Entry { value: of.ownership(reliance), expires_at: UnixTime(clock::now().0 + seconds) };
        let put = vec![Change::Put(of.list_items[0].name(), entry)];
        assert!(stage.store.apply(of.partition, vec![], put, clock::now()).await.unwrap());
    }
    let (mut looked, mut claimed) = ([const { None }; REQUESTS], [const { None }; REQUESTS]);
    let mut is_made = false;
    for &at in order {
        if let Some(claim) = claimed[at].take() {
            stage.commit(&claim, ends[at]).await;
            is_made |= ends[at] == End::Response(204);
        } else if let Some(claim) = looked[at].take() {
            claimed[at] = stage.claimed(claim).await;
        } else {
            looked[at] = stage.read_claim(0, ItemAction::Create).await.ok();
        }
    }
    let held = stage.read_claim(0, ItemAction::Create).await.unwrap().held;
    is_made.then(|| held.first().map_or(0, |held| held.expires_at.0))
}

#[test]
fn what_one_has_made_outlasts_the_failures_of_others() {
    let every = |number: usize| [0, 1, 2].map(|at| ENDS[number / ENDS.len().pow(at) % ENDS.len()]);
    block_on(async {
        let orders = orders();
        assert_eq!(orders.len(), 280);
        for before in BEFORE {
            for ends in
                (0..ENDS.len().pow(3)).map(every).filter(|ends| ends.contains(&End::Response(204)))
            {
                for order in &orders {
                    let least = ends_at().0 - 60;
                    let expiry = expiry_after(before, order, ends).await;
                    assert!(
                        expiry.is_none_or(|expiry| expiry > least),
                        "{before:?} {ends:?} {order:?}: {expiry:?}"
                    );
                }
            }
        }
    });
}

/// In one step, however many list items there are: nobody else relies on them.
#[test]
fn all_list_items_are_concluded_at_once_where_nobody_else_relies_on_them() {
    block_on(async {
        let stage = Stage::set();
        let mut both = touched(0, 0, ItemAction::Create);
        both.list_items.extend(item(1, ItemAction::Create));
        let claim = stage.ledger.read_claim(both).await.unwrap();
        assert!(stage.claim(&claim).await);
        let conclusions = |names: &[usize]| {
            names
                .iter()
                .map(|name| {
                    (item(*name, ItemAction::Create)[0].name(), Conclusion::Made(ends_at()))
                })
                .collect::<Vec<_>>()
        };
        let store: Arc<dyn StateStore> = Arc::<MemoryStore>::clone(&stage.store);
        // Another request relies on one of them: all are left as they are.
        let other = stage.read_claim(0, ItemAction::Create).await.unwrap();
        assert!(stage.claim(&other).await);
        assert!(!conclude_alone(&store, &claim, &conclusions(&[0, 1])).await.unwrap());
        assert!(conclude_alone(&store, &claim, &conclusions(&[1])).await.unwrap());
        assert!(!conclude_alone(&store, &claim, &conclusions(&[1])).await.unwrap());
    });
}
