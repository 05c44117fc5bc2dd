use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::*;

/// More than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

fn given(text: &str, expires_at: Option<u64>) -> IssuedCredential {
    let credential = Credential::parse(Zeroizing::new(text.to_owned())).unwrap();
    let typed = TypedCredential::Configured(credential);
    let source =
        CredentialSource::new(&typed, &CredentialCarrier::Bearer, &Carriers::default()).unwrap();
    IssuedCredential { expires_at: expires_at.map(UnixTime), ..source.give() }
}

/// A token's credential, and how often its source was asked.
#[derive(Default)]
struct Stage {
    current: CurrentCredential,
    asked: AtomicUsize,
}

impl Stage {
    /// Asks at this time, of a source whose credentials last for ten seconds, or for ever.
    async fn at(&self, now: u64, expires: bool) -> Arc<AttachedCredential> {
        let asking = async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(given("secret", expires.then_some(now + 10)))
        };
        self.current.current(|| UnixTime(now), LONG, asking).await.unwrap()
    }

    /// Many at once get one and the same credential.
    async fn many_at(&self, now: u64, expires: bool) -> Arc<AttachedCredential> {
        let (a, b, c, d) = tokio::join!(
            self.at(now, expires),
            self.at(now, expires),
            self.at(now, expires),
            self.at(now, expires)
        );
        assert!([&b, &c, &d].iter().all(|other| Arc::ptr_eq(&a, other)));
        a
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_static_credential_is_asked_for_once() {
    let stage = Stage::default();
    assert!(stage.current.lasting().is_none());
    let first = stage.many_at(0, false).await;
    assert!(Arc::ptr_eq(&first, &stage.at(u64::MAX, false).await));
    assert!(Arc::ptr_eq(&first, stage.current.lasting().unwrap()));
    assert_eq!(stage.asked(), 1);
}

/// No clock is read for what lasts.
#[tokio::test]
async fn what_lasts_asks_for_no_time() {
    let stage = Stage::default();
    stage.at(0, false).await;
    let never = async { panic!("nobody asks again") };
    assert!(stage.current.current(|| panic!("no time is needed"), LONG, never).await.is_ok());
}

#[tokio::test]
async fn what_expires_is_asked_for_again_by_one_of_many() {
    let stage = Stage::default();
    let first = stage.many_at(0, true).await;
    assert!(stage.current.lasting().is_none(), "it does not last");
    assert!(Arc::ptr_eq(&first, &stage.many_at(9, true).await));
    assert_eq!(stage.asked(), 1);
    let second = stage.many_at(10, true).await;
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &stage.many_at(19, true).await));
    assert_eq!(stage.asked(), 2);
    assert!(!Arc::ptr_eq(&second, &stage.many_at(20, true).await));
    assert_eq!(stage.asked(), 3);
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let stage = Stage::default();
    for now in [0, 10] {
        let failing = async { Err(Rejection::Busy) };
        assert!(matches!(
            stage.current.current(|| UnixTime(now), LONG, failing).await,
            Err(Rejection::Busy)
        ));
        stage.at(now, true).await;
    }
    assert_eq!(stage.asked(), 2);
}

/// Polls it once: it has begun, and is not done.
async fn begun<T>(mut work: std::pin::Pin<&mut impl Future<Output = T>>) {
    let polled =
        std::future::poll_fn(|context| std::task::Poll::Ready(work.as_mut().poll(context))).await;
    assert!(polled.is_pending());
}

/// Whether the first credential is asked for, or one in the place of what expired: nobody waits for ever for what others ask, and
/// nobody hangs because one who asked went away.
#[tokio::test]
async fn who_asks_keeps_nobody_waiting_for_long() {
    for now in [0, 10] {
        let stage = Stage::default();
        if now > 0 {
            stage.at(0, true).await;
        }
        let asking = stage.current.current(|| UnixTime(now), LONG, std::future::pending());
        let mut asking = Box::pin(asking);
        begun(asking.as_mut()).await;
        let never = async { panic!("another one asks") };
        let waited = stage.current.current(|| UnixTime(now), Duration::ZERO, never).await;
        assert!(matches!(waited, Err(Rejection::Busy)), "{now}");
        let mut waiting = Box::pin(stage.at(now, true));
        begun(waiting.as_mut()).await;
        drop(asking);
        waiting.await;
    }
}

/// Patience is for others: who asks is not cut off, however long the source takes.
#[tokio::test]
async fn who_asks_is_not_cut_off() {
    let stage = Stage::default();
    let slow = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(given("secret", None))
    };
    assert!(stage.current.current(|| UnixTime(0), Duration::ZERO, slow).await.is_ok());
    assert!(stage.current.lasting().is_some());
}

/// Whether what was waited for has lasted while one waited is asked of the clock again.
#[tokio::test]
async fn what_expired_while_one_waited_is_not_given() {
    use std::sync::atomic::AtomicU64;
    let (current, time) = (CurrentCredential::default(), AtomicU64::new(0));
    let now = || UnixTime(time.load(Ordering::SeqCst));
    current.current(now, LONG, async { Ok(given("first", Some(1))) }).await.unwrap();
    time.store(1, Ordering::SeqCst);
    // What comes has a short life, and who waits for it waits longer.
    let slow = async {
        tokio::task::yield_now().await;
        time.store(30, Ordering::SeqCst);
        Ok(given("second", Some(20)))
    };
    let asked_again = AtomicUsize::new(0);
    let again = async {
        asked_again.fetch_add(1, Ordering::SeqCst);
        Ok(given("third", Some(40)))
    };
    let (second, third) =
        tokio::join!(current.current(now, LONG, slow), current.current(now, LONG, again));
    assert!(!Arc::ptr_eq(&second.unwrap(), &third.unwrap()));
    assert_eq!(asked_again.load(Ordering::SeqCst), 1);
}
