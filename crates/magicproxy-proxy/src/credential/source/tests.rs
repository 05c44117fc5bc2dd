use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::*;

fn given(text: &str, expires_at: Option<u64>) -> AttachedCredential {
    let credential = Credential::parse(Zeroizing::new(text.to_owned())).unwrap();
    let typed = TypedCredential::Configured(credential);
    let source = CredentialSource::new(&typed, &CredentialCarrier::Bearer, &Carriers::default()).unwrap();
    AttachedCredential { expires_at: expires_at.map(UnixTime), ..source.give() }
}

/// A token's credential, and how often its source was asked.
#[derive(Default)]
struct Stage {
    current: CurrentCredential,
    asked: AtomicUsize,
}

impl Stage {
    /// Asks at this time, of a source whose credentials last for ten seconds, or for ever.
    async fn at(&self, now: u64, expires: bool) -> Arc<OpenedCredential> {
        let asking = async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(given("secret", expires.then_some(now + 10)))
        };
        self.current.current(|| UnixTime(now), asking).await.unwrap()
    }

    /// Many at once get one and the same credential.
    async fn many_at(&self, now: u64, expires: bool) -> Arc<OpenedCredential> {
        let (a, b, c, d) =
            tokio::join!(self.at(now, expires), self.at(now, expires), self.at(now, expires), self.at(now, expires));
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
    assert!(stage.current.current(|| panic!("no time is needed"), never).await.is_ok());
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
        assert!(matches!(stage.current.current(|| UnixTime(now), failing).await, Err(Rejection::Busy)));
        stage.at(now, true).await;
    }
    assert_eq!(stage.asked(), 2);
}
