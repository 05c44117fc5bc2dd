use http_body_util::Full;

use super::*;
use crate::admission::{Account, Budget, Payer};
use crate::settings::{Limits, Quota};

/// An exchange of a peer that may hold so many bytes.
fn exchange(budget: &Arc<Budget>) -> Holding {
    let payer = Payer::anonymous(Arc::<Account>::default());
    budget.take(Resource::Exchanges, 1, &payer).unwrap()
}

fn budget(per_peer: usize) -> Arc<Budget> {
    let defaults = Limits::default();
    Budget::new(&Limits {
        buffered_bytes: Quota { per_peer, ..defaults.buffered_bytes },
        ..defaults
    })
}

#[tokio::test]
async fn mint_requests_take_no_more_memory_together_than_their_peer_may() {
    let budget = budget(8);
    let exchange = exchange(&budget);
    let content = || Full::new(Bytes::from_static(b"12345"));
    let (whole, buffered) = collect(content(), &exchange).await.unwrap();
    assert_eq!(whole.as_slice(), b"12345");
    assert!(matches!(collect(content(), &exchange).await, Err(Rejection::Shortage(_))));
    assert!(collect(content(), &self::exchange(&budget)).await.is_ok(), "another peer");
    drop(buffered);
    assert!(collect(content(), &exchange).await.is_ok());
}

#[tokio::test]
async fn a_mint_request_has_a_longest_length() {
    let budget = budget(2 * MAX_MINT_REQUEST_BYTES);
    let exchange = exchange(&budget);
    let longest = vec![b' '; MAX_MINT_REQUEST_BYTES];
    assert!(collect(Full::new(Bytes::from(longest.clone())), &exchange).await.is_ok());
    let longer = [longest, vec![b' ']].concat();
    assert!(matches!(
        collect(Full::new(Bytes::from(longer)), &exchange).await,
        Err(Rejection::MintRequest(_))
    ));
    assert_eq!(budget.held(Resource::BufferedBytes), 0);
}
