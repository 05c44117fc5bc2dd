//! Random interleavings of requests, step by step, at an API that answers whatever it likes: nobody ever changes what another
//! owner made, or what was there before, and who is only answered 401 leaves nothing in the store.

mod lasting;
mod patience;

use std::collections::BTreeMap;
use std::sync::Arc;

use magicproxy_core::rule::{RawRule, Rule};
use magicproxy_core::state::StateStore;
use magicproxy_core::{PatternMode, UpstreamName};
use magicproxy_state::MemoryStore;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::json;

use super::*;
use crate::exchange::ledger::{limits, named};
use crate::settings::StrangerState;

/// Of whom the last one is a stranger to the API.
const OWNERS: usize = 4;
const STRANGER: usize = OWNERS - 1;
const NAMES: [&str; 2] = ["a", "b"];
/// One of which the operator has made.
const OPERATOR: usize = OWNERS;

/// What becomes of a request at the API: whether it is done, before or after its end, and that.
#[derive(Clone, Copy, Debug)]
struct Fate {
    done: Option<When>,
    end: End,
}

/// How a request ends that has claimed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Response(u16),
    /// Its client goes before it is sent.
    Left,
    /// The response is lost.
    Lost,
    /// The proxy dies.
    Death,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

const FATES: [Fate; 10] = [
    Fate { done: Some(When::Before), end: End::Response(204) },
    Fate { done: Some(When::Before), end: End::Response(204) },
    Fate { done: None, end: End::Response(422) },
    // It did a part, and then found a fault.
    Fate { done: Some(When::Before), end: End::Response(422) },
    Fate { done: None, end: End::Response(500) },
    Fate { done: Some(When::Before), end: End::Response(502) },
    // A gateway lost its patience.
    Fate { done: Some(When::After), end: End::Response(504) },
    Fate { done: None, end: End::Left },
    Fate { done: Some(When::After), end: End::Lost },
    Fate { done: Some(When::Before), end: End::Death },
];

#[derive(Debug)]
enum State {
    Looked(Claim),
    Responded(Claim),
    Sent(Claim),
    /// Its end has come, and the ledger has not been told yet.
    Done(Claim, End),
    /// It is carried out after its response.
    Late,
    Over,
}

struct Request {
    owner: usize,
    name: usize,
    action: ItemAction,
    fate: Fate,
    state: State,
}

struct Stage {
    ledger: Ledger,
    store: Arc<MemoryStore>,
    /// Who made what is there.
    api: BTreeMap<usize, usize>,
    requests: Vec<Request>,
    violations: Vec<String>,
}

fn item(name: usize, action: ItemAction) -> Vec<ListItem> {
    let raw: RawRule = serde_json::from_value(json!({ "method": "PATCH", "route": "/zone", "list_items": {
        "list": "rrsets", "key": ["name"], "creates": { "changetype": "REPLACE" }, "deletes": { "changetype": "DELETE" } } }))
    .unwrap();
    let rule = Rule::parse(raw, PatternMode::Whole).unwrap();
    let change = if action == ItemAction::Create { "REPLACE" } else { "DELETE" };
    let body = json!({ "rrsets": [{ "name": NAMES[name], "changetype": change }] }).to_string();
    rule.state().unwrap().list_items().unwrap().read(body.as_bytes()).unwrap()
}

fn ends_at() -> UnixTime {
    UnixTime(clock::now().0 + 3600)
}

fn owner(number: usize) -> Partition {
    Partition::of(&[b"test", &[u8::try_from(number).unwrap()]])
}

fn touched(owner_number: usize, name: usize, action: ItemAction) -> TouchedItems {
    let (partition, list_items) = (Partition::of(&[b"list"]), item(name, action));
    TouchedItems { partition, owner: owner(owner_number), path: "/zone".to_owned(), list_items }
}

impl Stage {
    fn set() -> Self {
        let store = Arc::new(MemoryStore::new());
        let ledger = Ledger {
            store: Some(Arc::clone(&store) as Arc<dyn StateStore>),
            upstream: UpstreamName::parse("api").unwrap(),
            strangers: StrangerState::Refuse,
            pending: limits::PendingReturns::default(),
            seen: named::KnownOwners::default(),
            longest_body: 1_048_576,
            metrics: crate::metrics::UpstreamMetrics::unread(),
        };
        Self {
            ledger,
            store,
            api: BTreeMap::from([(1, OPERATOR)]),
            requests: Vec::new(),
            violations: Vec::new(),
        }
    }

    async fn read_claim(&self, owner: usize, action: ItemAction) -> Result<Claim, Rejection> {
        self.ledger.read_claim(touched(owner, 0, action)).await
    }

    async fn claim(&self, claim: &Claim) -> bool {
        self.ledger.claim(claim, ends_at(), RowLimits::UNBOUNDED).await.unwrap()
    }

    async fn begin(&mut self, owner: usize, name: usize, action: ItemAction, fate: Fate) {
        if let Ok(claim) = self.ledger.read_claim(touched(owner, name, action)).await {
            let state = State::Looked(claim);
            self.requests.push(Request { owner, name, action, fate, state });
        }
    }

    fn carry_out(&mut self, at: usize) {
        let Request { owner, name, action, fate, .. } = &self.requests[at];
        if let Some(made_by) = self.api.get(name).filter(|made_by| *made_by != owner) {
            self.violations.push(format!(
                "{owner} changed {name}, which {made_by} made ({action:?}, {fate:?})"
            ));
        }
        match action {
            ItemAction::Create => drop(self.api.insert(*name, *owner)),
            ItemAction::Delete => drop(self.api.remove(name)),
        }
    }

    /// Tells the ledger how a request has ended.
    async fn commit(&self, claim: &Claim, end: End) {
        match end {
            End::Response(status) if status < 300 => self.ledger.confirm(claim, ends_at()).await,
            End::Response(status) => {
                self.ledger.disown(claim, Failure::of(StatusCode::from_u16(status).unwrap())).await
            }
            End::Lost => self.ledger.disown(claim, Failure::Unknown).await,
            End::Left => self.ledger.disown(claim, Failure::Refused).await,
            End::Death => {}
        }
    }

    /// One step of one request.
    async fn step(&mut self, at: usize) {
        if self.requests.is_empty() {
            return;
        }
        let at = at % self.requests.len();
        let Request { owner, name, fate, .. } = self.requests[at];
        let state = std::mem::replace(&mut self.requests[at].state, State::Over);
        self.requests[at].state = match state {
            // The question: a stranger's is answered 401, and one for what is there ends the request.
            State::Looked(claim) if claim.is_foreign() => State::Over,
            State::Looked(claim) if claim.asked().is_empty() => State::Responded(claim),
            State::Looked(_) if owner == STRANGER || self.api.contains_key(&name) => State::Over,
            State::Looked(claim) => State::Responded(claim),
            State::Responded(claim) => {
                if !self.ledger.claim(&claim, ends_at(), RowLimits::UNBOUNDED).await.unwrap() {
                    self.ledger.read_claim_again(&claim).await.map_or(State::Over, State::Looked)
                } else if fate.end == End::Left {
                    State::Done(claim, fate.end)
                } else {
                    State::Sent(claim)
                }
            }
            State::Sent(claim) => {
                if fate.done == Some(When::Before) {
                    self.carry_out(at);
                }
                State::Done(claim, fate.end)
            }
            State::Done(claim, end) => {
                self.commit(&claim, end).await;
                if fate.done == Some(When::After) { State::Late } else { State::Over }
            }
            State::Late => {
                self.carry_out(at);
                State::Over
            }
            State::Over => State::Over,
        };
    }

    /// So many steps of one request.
    async fn run(&mut self, at: usize, steps: usize) {
        for _ in 0..steps {
            self.step(at).await;
        }
    }

    async fn rows_of(&self, number: usize) -> usize {
        let rows = self
            .store
            .list(Partition::of(&[b"list"]), Vec::new(), 100, clock::now())
            .await
            .unwrap();
        let owner = owner(number);
        rows.iter()
            .filter(|(_, entry)| entry.value.windows(32).any(|window| window == owner.as_bytes()))
            .count()
    }
}

#[derive(Clone, Debug)]
enum Event {
    Begin(usize, usize, ItemAction, usize),
    /// So many steps of one request.
    Steps(usize, usize),
}

/// Most are of two owners for one name, and many requests go some way at once: else few get in each other's way.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let owner = select(&[0, 0, 0, 1, 1, 2, STRANGER][..]);
    let name = select(&[0, 0, 0, 1][..]);
    let begin = (
        owner,
        name,
        select(&[ItemAction::Create, ItemAction::Create, ItemAction::Delete][..]),
        0..FATES.len(),
    );
    let begin =
        begin.prop_map(|(owner, name, action, fate)| Event::Begin(owner, name, action, fate));
    let steps = (any::<usize>(), 1..6_usize).prop_map(|(at, count)| Event::Steps(at, count));
    vec(proptest::prop_oneof![2 => begin, 5 => steps], 1..60)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn nobody_changes_what_another_made_in_whatever_order() {
    let defaults = Config::default();
    let mut runner = TestRunner::new(Config {
        cases: defaults.cases.max(2_000),
        failure_persistence: None,
        ..defaults
    });
    let outcome = runner.run(&events(), |events| {
        let (violations, strangers) = block_on(async {
            let mut stage = Stage::set();
            for event in &events {
                match *event {
                    Event::Begin(owner, name, action, fate) => {
                        stage.begin(owner, name, action, FATES[fate]).await
                    }
                    Event::Steps(at, count) => stage.run(at, count).await,
                }
            }
            let strangers = stage.rows_of(STRANGER).await;
            (stage.violations, strangers)
        });
        prop_assert!(violations.is_empty(), "{violations:?}");
        prop_assert_eq!(strangers, 0, "who may not ask has nothing in the store");
        Ok(())
    });
    outcome.unwrap();
}

/// A request is let through, since its owner holds the list item; another of that owner's requests is refused, deletes that, or did
/// who knows what; only then the first one reaches the API. Meanwhile nobody else gets the list item.
#[test]
fn nothing_is_taken_away_that_another_request_relies_on() {
    const REFUSED: Fate = Fate { done: None, end: End::Response(422) };
    const DONE: Fate = FATES[0];
    const LATE: Fate = FATES[6];
    for (first, second) in [
        ((ItemAction::Create, REFUSED), (ItemAction::Create, DONE)),
        ((ItemAction::Create, REFUSED), (ItemAction::Delete, DONE)),
        ((ItemAction::Create, DONE), (ItemAction::Delete, DONE)),
        ((ItemAction::Delete, DONE), (ItemAction::Create, DONE)),
        ((ItemAction::Delete, DONE), (ItemAction::Delete, DONE)),
        // The second one is answered before the first one is done.
        ((ItemAction::Create, LATE), (ItemAction::Delete, DONE)),
    ] {
        for settled in [0, 1] {
            block_on(async {
                let mut stage = Stage::set();
                if first.0 == ItemAction::Delete {
                    stage.begin(0, 0, ItemAction::Create, DONE).await;
                    stage.run(0, 5).await;
                }
                let at = stage.requests.len();
                stage.begin(0, 0, first.0, first.1).await;
                // The question, and the claim.
                stage.run(at, 2).await;
                stage.begin(0, 0, second.0, second.1).await;
                stage.run(at + 1, 2).await;
                // One of them is answered, and the ledger hears of that.
                stage.run(at + settled, 2).await;
                stage.begin(1, 0, ItemAction::Create, DONE).await;
                stage.run(at + 2, 5).await;
                // The other one arrives.
                stage.run(at, 5).await;
                stage.run(at + 1, 5).await;
                assert_eq!(stage.violations, [""; 0], "{first:?}, {second:?}, {settled}");
                assert!(
                    stage.read_claim(1, ItemAction::Create).await.unwrap().is_foreign(),
                    "{first:?}, {second:?}, {settled}"
                );
            });
        }
    }
}

/// What an upstream had no time for it may do yet: another of its owner's requests does not take that away meanwhile, though it
/// began when the response was there.
#[test]
fn what_may_be_done_yet_is_relied_on_after_its_end() {
    for (action, was_there) in
        [(ItemAction::Create, false), (ItemAction::Create, true), (ItemAction::Delete, true)]
    {
        for late in [FATES[6], FATES[8]] {
            block_on(async {
                let mut stage = Stage::set();
                if was_there {
                    stage.begin(0, 0, ItemAction::Create, FATES[0]).await;
                    stage.run(0, 5).await;
                }
                let at = stage.requests.len();
                stage.begin(0, 0, action, late).await;
                // The question, the claim, the end, and that the ledger hears of it.
                stage.run(at, 4).await;
                stage.begin(0, 0, ItemAction::Delete, FATES[0]).await;
                stage.run(at + 1, 5).await;
                stage.begin(1, 0, ItemAction::Create, FATES[0]).await;
                stage.run(at + 2, 5).await;
                stage.run(at, 1).await;
                assert_eq!(stage.violations, [""; 0], "{action:?}, {was_there}, {late:?}");
                assert!(
                    stage.read_claim(1, ItemAction::Create).await.unwrap().is_foreign(),
                    "{action:?}, {was_there}, {late:?}"
                );
            });
        }
    }
}

/// What only one request relied on is free with its end.
#[test]
fn what_nobody_relies_on_any_more_is_free_at_once() {
    for (action, fate) in [
        (ItemAction::Create, FATES[2]),
        (ItemAction::Create, FATES[7]),
        (ItemAction::Delete, FATES[0]),
    ] {
        block_on(async {
            let mut stage = Stage::set();
            if action == ItemAction::Delete {
                // One after the other.
                for at in 0..3 {
                    stage.begin(0, 0, ItemAction::Create, FATES[0]).await;
                    stage.run(at, 5).await;
                }
            }
            let at = stage.requests.len();
            stage.begin(0, 0, action, fate).await;
            stage.run(at, 5).await;
            stage.begin(1, 0, ItemAction::Create, FATES[0]).await;
            stage.run(at + 1, 5).await;
            assert_eq!(
                (stage.api.get(&0), stage.violations.len()),
                (Some(&1), 0),
                "{action:?}, {fate:?}"
            );
        });
    }
}

/// However others step in between, whoever the API lets create gets what is free in the end.
#[test]
fn strangers_delay_nobody() {
    block_on(async {
        let mut stage = Stage::set();
        for _ in 0..6 {
            stage.begin(STRANGER, 0, ItemAction::Create, FATES[0]).await;
        }
        stage.begin(0, 0, ItemAction::Create, FATES[0]).await;
        for _ in 0..4 {
            for at in 0..7 {
                stage.step(at).await;
            }
        }
        assert_eq!((stage.api.get(&0).copied(), stage.violations.len()), (Some(0), 0));
    });
}

/// Two ask, and both hear that there is none: one gets it.
#[test]
fn of_two_that_asked_one_claims() {
    block_on(async {
        let stage = Stage::set();
        let first = stage.read_claim(0, ItemAction::Create).await.unwrap();
        let second = stage.read_claim(1, ItemAction::Create).await.unwrap();
        assert!(stage.claim(&first).await);
        assert!(!stage.claim(&second).await);
        // Refused by the API, it is free again, but not on the word of a response from before.
        stage.ledger.disown(&first, Failure::of(StatusCode::FORBIDDEN)).await;
        assert!(!stage.claim(&second).await);
        let again = stage.ledger.read_claim_again(&second).await.unwrap();
        assert!(stage.claim(&again).await);
        // Whether something was done is not known: nobody else's for a while.
        stage.ledger.disown(&again, Failure::of(StatusCode::GATEWAY_TIMEOUT)).await;
        assert!(stage.read_claim(0, ItemAction::Create).await.unwrap().is_foreign());
        assert!(stage.ledger.read_claim_again(&first).await.is_err());
        // Its own to delete; nobody else's yet, for what is not known may be done after that.
        let deletion = stage.read_claim(1, ItemAction::Delete).await.unwrap();
        assert!(stage.claim(&deletion).await);
        stage.ledger.confirm(&deletion, ends_at()).await;
        assert!(stage.read_claim(0, ItemAction::Create).await.unwrap().is_foreign());
    });
}

/// Each refusal leaves a trace, and the traces of one owner are no more than its list items may be.
#[test]
fn traces_are_counted_as_their_owners() {
    block_on(async {
        let stage = Stage::set();
        let claim = stage.read_claim(0, ItemAction::Create).await.unwrap();
        assert!(stage.claim(&claim).await);
        stage.ledger.disown(&claim, Failure::Refused).await;
        assert_eq!(stage.rows_of(0).await, 1);
        let condition = Condition::AtMostValued(claim.touched.of_owner(), 0);
        assert!(
            !stage
                .store
                .apply(claim.touched.partition, vec![condition], vec![], clock::now())
                .await
                .unwrap()
        );
    });
}

/// Waits for whatever was begun on the side.
async fn finished() {
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// However a claim is given up: nothing that never came to be is somebody's for as long as a token lives.
#[test]
fn what_was_claimed_is_not_kept_without_a_response() {
    #[derive(Debug)]
    enum Given {
        BeforeMade,
        BeforeSent,
        NotSent,
        AfterSent,
        Responded(u16),
    }
    use Given::{AfterSent, BeforeMade, BeforeSent, NotSent, Responded};
    for (given, owned, least, most) in [
        (BeforeMade, false, 0, 0),
        (BeforeSent, false, 0, 0),
        (NotSent, false, 0, 0),
        (AfterSent, true, TRACE_SECONDS, TRACE_SECONDS),
        (Responded(500), true, TRACE_SECONDS, TRACE_SECONDS),
        (Responded(403), false, 0, 0),
        (Responded(307), false, 0, 0),
        (Responded(201), true, 3600, 3600),
    ] {
        block_on(async {
            let stage = Stage::set();
            let claim = stage.read_claim(0, ItemAction::Create).await.unwrap();
            let began = clock::now().0;
            let mut claiming = Box::pin(ActiveClaim::claim(
                &stage.ledger,
                claim,
                UnixTime(began + 3600),
                RowLimits::UNBOUNDED,
            ));
            if matches!(given, BeforeMade) {
                // Asked once, so that it has begun.
                tokio::select! {
                    biased;
                    _ = &mut claiming => unreachable!("it is on another task"),
                    () = std::future::ready(()) => drop(claiming),
                }
                finished().await;
                assert_eq!(stage.rows_of(0).await, 1, "there is a trace");
                assert!(!stage.read_claim(0, ItemAction::Create).await.unwrap().new.is_empty());
                return;
            }
            let mut claimed = claiming.await.unwrap().expect("nobody else has it");
            match given {
                BeforeMade | BeforeSent => drop(claimed),
                NotSent => {
                    claimed.sent();
                    claimed.not_sent();
                    drop(claimed);
                }
                AfterSent => {
                    claimed.sent();
                    drop(claimed);
                }
                Responded(status) => {
                    claimed.sent();
                    claimed
                        .commit(StatusCode::from_u16(status).unwrap(), UnixTime(began + 3600))
                        .await;
                }
            }
            finished().await;
            let held = stage.read_claim(0, ItemAction::Create).await.unwrap().held;
            assert_eq!(held.len(), usize::from(owned), "{given:?}");
            for held in held {
                let lasts = held.expires_at.0 - began;
                assert!(
                    (least..=most + (clock::now().0 - began)).contains(&lasts),
                    "{given:?}: {lasts}"
                );
            }
        });
    }
}

/// What is its owner's for a while only, or was taken from it by another of its requests, lasts once it is made.
#[test]
fn what_is_made_in_the_end_lasts() {
    for failure in [Failure::Unknown, Failure::Refused] {
        block_on(async {
            let stage = Stage::set();
            let first = stage.read_claim(0, ItemAction::Create).await.unwrap();
            assert!(stage.claim(&first).await);
            if failure == Failure::Unknown {
                stage.ledger.disown(&first, failure).await;
            }
            let again = stage.read_claim(0, ItemAction::Create).await.unwrap();
            assert!(stage.claim(&again).await);
            if failure == Failure::Refused {
                stage.ledger.disown(&first, failure).await;
            }
            stage.ledger.confirm(&again, ends_at()).await;
            let held = stage.read_claim(0, ItemAction::Delete).await.unwrap().held;
            assert!(held[0].expires_at.0 + 60 > ends_at().0, "{failure:?}: {held:?}");
        });
    }
}

/// Shortly before its end an owner sends something: nobody else has the list item while that is on its way.
#[test]
fn what_a_request_relies_on_outlives_it() {
    for action in [ItemAction::Create, ItemAction::Delete] {
        block_on(async {
            let stage = Stage::set();
            let of = touched(0, 0, action);
            let entry = Entry {
                value: of.ownership(Reliance::Nobody),
                expires_at: UnixTime(clock::now().0 + 20),
            };
            let put = vec![Change::Put(of.list_items[0].name(), entry)];
            assert!(stage.store.apply(of.partition, vec![], put, clock::now()).await.unwrap());
            let claim = stage.read_claim(0, action).await.unwrap();
            assert!(stage.claim(&claim).await);
            let held = stage.read_claim(0, action).await.unwrap().held;
            assert!(held[0].expires_at.0 + 60 > clock::now().0 + TRACE_SECONDS, "{held:?}");
        });
    }
}
