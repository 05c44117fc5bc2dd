//! A configuration that flips between two while requests run on kept connections: each is answered,
//! and in the sense of a configuration that was in force while it ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use magicproxy_proxy::settings::UpstreamSettings;

use super::{scopes, with};
use crate::support::{Client, Proxy, Token, Upstream, request};

/// The number of changes.
const FLIPS: usize = 20;
/// The fewest requests answered between two changes.
const ANSWERED: usize = 60;
const CLIENTS: usize = 4;

/// Configurations of even and of odd numbers.
const PAGES: [&str; 2] = ["/even", "/odd"];

fn even(own: &mut UpstreamSettings) {
    own.scopes = scopes(&[("reading", &["GET /even"])]);
}

fn odd(own: &mut UpstreamSettings) {
    own.scopes = scopes(&[("reading", &["GET /odd"])]);
}

#[derive(Default)]
struct Progress {
    /// The last configuration of which a change has begun, and the last whose change was reported.
    begun: AtomicUsize,
    reported: AtomicUsize,
    sent: AtomicUsize,
    answered: AtomicUsize,
    done: AtomicBool,
}

/// Asks for both pages in turn until the changes are done.
async fn ask(mut client: Client, token: Arc<String>, progress: Arc<Progress>) {
    while !progress.done.load(Ordering::SeqCst) {
        for (parity, page) in PAGES.iter().enumerate() {
            let from = progress.reported.load(Ordering::SeqCst);
            progress.sent.fetch_add(1, Ordering::SeqCst);
            let answer = client.exchange(request(&format!("GET {page}"), &token, &[], "")).await;
            progress.answered.fetch_add(1, Ordering::SeqCst);
            let until = progress.begun.load(Ordering::SeqCst);
            let allowed = answer.status == 200;
            assert!(
                allowed || answer.status == 403 && answer.code() == "not_allowed",
                "{answer:?}"
            );
            // One of the configurations in force while the request ran says so.
            let is_one = (from..=until).any(|number| (number % 2 == parity) == allowed);
            assert!(is_one, "{page} was {} by none of {from} to {until}", answer.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_by_a_configuration_in_force() {
    let upstream = Upstream::hello().await;
    let proxy = Proxy::start(with(&upstream, even)).await;
    let (progress, token) =
        (Arc::<Progress>::default(), Arc::new(Token::scoped(&["reading"]).mint().to_string()));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client::connect(&proxy).await;
        clients.push(tokio::spawn(ask(client, Arc::clone(&token), Arc::clone(&progress))));
    }
    for number in 1..=FLIPS {
        let enough = progress.answered.load(Ordering::SeqCst) + ANSWERED;
        while progress.answered.load(Ordering::SeqCst) < enough {
            assert!(!clients.iter().any(|client| client.is_finished()), "a client has failed");
            tokio::task::yield_now().await;
        }
        progress.begun.store(number, Ordering::SeqCst);
        proxy.reconfigure(with(&upstream, if number % 2 == 0 { even } else { odd }));
        progress.reported.store(number, Ordering::SeqCst);
    }
    progress.done.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let (sent, answered) =
        (progress.sent.load(Ordering::SeqCst), progress.answered.load(Ordering::SeqCst));
    assert!(sent == answered && answered >= FLIPS * ANSWERED, "{sent} sent, {answered} answered");
}
