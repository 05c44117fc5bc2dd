use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

const WAITERS: usize = 100;

/// Requests for one thing: how often the work was done, how often all were polled, and when it may go on.
struct Stage {
    flights: Flights<u8, usize>,
    worked: AtomicUsize,
    polled: AtomicUsize,
    gate: Semaphore,
}

impl Stage {
    fn new() -> Arc<Self> {
        let (worked, polled) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { flights: Flights::default(), worked, polled, gate: Semaphore::new(0) })
    }

    /// One request, whose work ends so; it gives how often the work had been done.
    async fn ask(self: Arc<Self>, ends: fn() -> Result<(), Rejection>) -> Result<usize, Rejection> {
        let work = async {
            let worked = self.worked.fetch_add(1, Ordering::SeqCst) + 1;
            // Work takes its time: whoever was woken with this request is there before it is done.
            tokio::task::yield_now().await;
            self.gate.acquire().await.unwrap().forget();
            ends().map(|()| worked)
        };
        let mut asking: Pin<Box<dyn Future<Output = _> + Send + '_>> =
            Box::pin(self.flights.outcome(1, work));
        std::future::poll_fn(|context| {
            self.polled.fetch_add(1, Ordering::SeqCst);
            asking.as_mut().poll(context)
        })
        .await
    }

    /// Many at once, of whose flights so many may end.
    async fn many(
        self: &Arc<Self>,
        ends: fn() -> Result<(), Rejection>,
        flights: usize,
    ) -> Vec<Result<usize, Rejection>> {
        let mut all = JoinSet::new();
        (0..WAITERS).for_each(|_| drop(all.spawn(Arc::clone(self).ask(ends))));
        while self.polled.load(Ordering::SeqCst) < WAITERS {
            tokio::task::yield_now().await;
        }
        self.gate.add_permits(flights);
        all.join_all().await
    }

    /// How often the work was done, and how often each was woken on average.
    fn cost(&self) -> (usize, usize) {
        (self.worked.load(Ordering::SeqCst), self.polled.load(Ordering::SeqCst) / WAITERS - 1)
    }
}

#[tokio::test]
async fn many_share_what_comes_of_one() {
    let stage = Stage::new();
    assert!(stage.many(|| Ok(()), 1).await.into_iter().all(|outcome| outcome.unwrap() == 1));
    assert_eq!((stage.cost(), stage.flights.count()), ((1, 1), 0));
}

#[tokio::test]
async fn many_share_what_is_wrong_with_the_token() {
    let faults: [fn() -> Result<(), Rejection>; 3] = [
        || Err(VerifyError::Malformed.into()),
        || Err(OpenError::Sealed.into()),
        || Err(Rejection::NoOwnerSecret),
    ];
    for ends in faults {
        let stage = Stage::new();
        let told = ends().unwrap_err().to_string();
        assert!(
            stage
                .many(ends, 1)
                .await
                .into_iter()
                .all(|outcome| outcome.unwrap_err().to_string() == told)
        );
        assert_eq!((stage.cost(), stage.flights.count()), ((1, 1), 0), "{told}");
    }
}

/// That somebody had no turn says nothing about others: they try once more, together.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_its_own() {
    let stage = Stage::new();
    let outcomes = stage.many(|| Err(Rejection::Busy), 2).await;
    assert!(outcomes.into_iter().all(|outcome| matches!(outcome, Err(Rejection::Busy))));
    assert_eq!((stage.cost(), stage.flights.count()), ((2, 2), 0));

    let stage = Stage::new();
    stage.gate.add_permits(2);
    let (refused, other) = tokio::join!(
        Arc::clone(&stage).ask(|| Err(Rejection::Busy)),
        Arc::clone(&stage).ask(|| Ok(()))
    );
    assert!(matches!(refused, Err(Rejection::Busy)));
    assert_eq!(other.unwrap(), 2);
}

/// Nobody hangs because one who led went away, and nothing is left behind when all have gone.
#[tokio::test]
async fn who_leaves_is_followed_by_the_next() {
    let stage = Stage::new();
    let leader = tokio::spawn(Arc::clone(&stage).ask(|| Ok(())));
    let follower = tokio::spawn(Arc::clone(&stage).ask(|| Ok(())));
    while stage.polled.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    leader.abort();
    assert!(leader.await.is_err());
    stage.gate.add_permits(1);
    assert_eq!(follower.await.unwrap().unwrap(), 2);

    let gone = tokio::spawn(Arc::clone(&stage).ask(|| Ok(())));
    while stage.worked.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.flights.count(), 1);
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(stage.flights.count(), 0);
}

/// What failed is not kept: a request that comes later asks for itself.
#[tokio::test]
async fn a_fault_is_not_kept() {
    let stage = Stage::new();
    stage.gate.add_permits(2);
    assert!(Arc::clone(&stage).ask(|| Err(VerifyError::Malformed.into())).await.is_err());
    assert_eq!(Arc::clone(&stage).ask(|| Ok(())).await.unwrap(), 2);
}
