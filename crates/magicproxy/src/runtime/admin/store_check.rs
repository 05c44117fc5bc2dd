//! The check whether the state store answers: one at a time, bounded, and remembered for a moment,
//! so that no number of probes is a load for the store (`docs/spec/admin.md` section 4.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use magicproxy_core::state::StateStore as _;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::checks::{Check, CheckState};
use crate::runtime::state::LazyStore;

/// The time for which a result is told again.
const REMEMBERED: Duration = Duration::from_secs(1);
/// The longest wait of one request. Kubernetes gives a probe one second.
const PATIENCE: Duration = Duration::from_millis(800);
/// The time after its last good response from which a silent store counts as gone.
const SLOW: Duration = Duration::from_secs(10);

/// The check of a store.
#[derive(Debug)]
pub(crate) struct StoreCheck {
    store: Arc<LazyStore>,
    need: StoreNeed,
    asked: Mutex<Asked>,
}

/// How much of what the proxy does needs the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreNeed {
    /// The operator chose the store, so that a proxy without it is not as it should be.
    Chosen,
    /// The store is the default, opened when a token needs it, and never by a check.
    ByDefault,
    /// The operator chose the store, and that tokens without need of it are served for so long
    /// without it (`state.on_unreachable`). The check of the revocations tells when that is over.
    Bridged,
}

/// The question to the store that is on its way, and what came of the latest.
#[derive(Debug, Default)]
struct Asked {
    pending: Option<JoinHandle<(Instant, Result<(), String>)>>,
    latest: Option<(Instant, Outcome)>,
    /// The time of the latest good response.
    good: Option<Instant>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Answered,
    Failed(String),
    /// No response yet.
    Silent,
}

impl StoreCheck {
    /// Makes the check.
    pub(crate) fn new(store: Arc<LazyStore>, need: StoreNeed) -> Self {
        Self { store, need, asked: Mutex::default() }
    }

    /// Asks the store, unless that was done a moment ago.
    pub(super) async fn check(&self) -> Check {
        if self.need == StoreNeed::ByDefault && !self.store.is_open() {
            return Check::new("store", CheckState::Ok, "not opened: no token has needed it yet");
        }
        // Held while the store is asked: the other probes get the same response.
        let mut asked = self.asked.lock().await;
        let recent = asked.latest.as_ref().filter(|(at, _)| at.elapsed() < REMEMBERED);
        let outcome = match recent {
            Some((_, outcome)) => outcome.clone(),
            None => self.ask(&mut asked).await,
        };
        self.judge(&outcome, asked.good)
    }

    /// Waits for the response that is on its way, or asks for a new one. A client that leaves
    /// meanwhile leaves the question in `asked`, so that there is never more than one.
    async fn ask(&self, asked: &mut Asked) -> Outcome {
        let store = Arc::clone(&self.store);
        let question = || {
            tokio::spawn(async move {
                let response = store.ping().await.map_err(|error| error.to_string());
                (Instant::now(), response)
            })
        };
        let pending = asked.pending.get_or_insert_with(question);
        let (at, outcome) = match tokio::time::timeout(PATIENCE, pending).await {
            Ok(response) => {
                asked.pending = None;
                match response {
                    Ok((at, Ok(()))) => (at, Outcome::Answered),
                    Ok((at, Err(error))) => (at, Outcome::Failed(error)),
                    Err(_) => (Instant::now(), Outcome::Failed("the check broke off".to_owned())),
                }
            }
            Err(_) => (Instant::now(), Outcome::Silent),
        };
        if matches!(outcome, Outcome::Answered) {
            asked.good = Some(at);
        }
        asked.latest = Some((Instant::now(), outcome.clone()));
        outcome
    }

    fn judge(&self, outcome: &Outcome, good: Option<Instant>) -> Check {
        let bad = match self.need {
            StoreNeed::Chosen => CheckState::Failing,
            StoreNeed::ByDefault | StoreNeed::Bridged => CheckState::Warning,
        };
        let (state, detail) = match outcome {
            Outcome::Answered => match self.store.fate_of_file().loss() {
                None => (CheckState::Ok, "answers".to_owned()),
                Some(loss) => {
                    let detail = format!(
                        "its file {loss}, and what is kept now is lost with the process: `magicproxy backup` saves it"
                    );
                    (CheckState::Warning, detail)
                }
            },
            Outcome::Failed(error) => (bad, error.clone()),
            Outcome::Silent if good.is_some_and(|good| good.elapsed() < SLOW) => {
                (CheckState::Warning, format!("no response within {} ms", PATIENCE.as_millis()))
            }
            Outcome::Silent => (bad, format!("no response within {} ms", PATIENCE.as_millis())),
        };
        Check::new("store", state, detail).aged(good)
    }
}
