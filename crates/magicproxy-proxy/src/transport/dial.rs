//! From a name to a connection of TCP: Happy Eyeballs (RFC 8305), so that a dead address costs a
//! quarter of a second and not the request.
//!
//! Addresses of IPv6 and IPv4 take turns; the next address is tried when the one before has failed,
//! or has not responded for [`ATTEMPT_DELAY`]. Addresses that failed, or were overtaken so, come
//! last for [`FAILED_FOR`]. The system resolves both families in one call, so there is no separate
//! wait for either.

mod failed;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;

use super::failure::{ConnectFailure, ConnectFault};
use failed::FailedAddresses;

/// Time for which an attempt is alone before the next attempt begins beside the first (RFC 8305
/// section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Most concurrent attempts, each of which takes a file; the oldest gives way to another attempt.
const MOST_ATTEMPTS: usize = 4;
/// Most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 32;
/// Time for which a failed address comes last.
const FAILED_FOR: Duration = Duration::from_secs(60);

/// Dialer of TCP connections to one host and port. Remembers addresses that failed lately: later
/// requests need not wait for a dead address.
#[derive(Debug)]
pub(crate) struct Dialer {
    host: Box<str>,
    port: u16,
    failed: FailedAddresses,
}

impl Dialer {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port, failed: FailedAddresses::default() }
    }

    /// Resolves the name to addresses, at least one, in the order in which the addresses are to be
    /// tried.
    ///
    /// # Errors
    /// Returns an error for a name that cannot be resolved.
    pub(crate) async fn resolve(&self) -> Result<Candidates, ConnectFailure> {
        self.look_up().await.map_err(|error| ConnectFailure::because(ConnectFault::Dns, error))
    }

    async fn look_up(&self) -> io::Result<Candidates> {
        let found = tokio::net::lookup_host((&*self.host, self.port)).await;
        let (found, error) = match found {
            Ok(addresses) => {
                (addresses.take(MOST_ADDRESSES).collect(), io::ErrorKind::NotFound.into())
            }
            Err(error) => (Vec::new(), error),
        };
        let addresses = self.failed.last(in_turns(with_loopback(found, &self.host, self.port)));
        if addresses.is_empty() { Err(error) } else { Ok(Candidates { waiting: addresses.into() }) }
    }

    /// Connects to the first candidate that responds, and removes the candidate. Candidates that
    /// have not responded so far stay, and come last.
    ///
    /// # Errors
    /// Returns the most telling error of all addresses, where no candidate is left.
    pub(crate) async fn connect(
        &self,
        candidates: &mut Candidates,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let mut race = Race::default();
        loop {
            if !race.is_full()
                && let Some(address) = candidates.waiting.pop_front()
            {
                race.begin(address);
            }
            let next = !candidates.waiting.is_empty();
            let finished = tokio::select! {
                biased;
                finished = poll_fn(|context| race.poll_finished(context)) => finished,
                () = tokio::time::sleep(ATTEMPT_DELAY), if next => {
                    if race.is_full() {
                        self.overtaken(race.give_up_oldest());
                    }
                    continue;
                }
            };
            match finished {
                Some((address, Ok(stream))) => {
                    self.failed.forget(address);
                    let left = race.attempts.iter().map(|attempt| attempt.address);
                    left.for_each(|address| {
                        self.failed.note(address);
                        candidates.waiting.push_back(address);
                    });
                    return Ok((stream, address));
                }
                Some((address, Err(error))) => {
                    self.failed.note(address);
                    race.errors.push(error);
                }
                None if candidates.waiting.is_empty() => return Err(race.error()),
                None => {}
            }
        }
    }

    /// Connects to the name.
    ///
    /// # Errors
    /// Returns an error for a name that cannot be resolved, or if no address responds.
    pub(crate) async fn dial(&self) -> io::Result<TcpStream> {
        let mut candidates = self.look_up().await?;
        self.connect(&mut candidates).await.map(|(stream, _)| stream)
    }

    /// Notes that a connected address turned out to be dead: the address comes last from now on.
    pub(crate) fn failed(&self, address: SocketAddr) {
        self.failed.note(address);
    }

    fn overtaken(&self, address: Option<SocketAddr>) {
        address.into_iter().for_each(|address| self.failed.note(address));
    }
}

/// Addresses that were not tried, or did not respond yet.
#[derive(Debug)]
pub(crate) struct Candidates {
    waiting: VecDeque<SocketAddr>,
}

impl Candidates {
    /// True if no address is left to try.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

type DialFuture = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Attempt to connect to one address.
struct Attempt {
    address: SocketAddr,
    connecting: DialFuture,
}

/// Attempts side by side, the oldest first.
#[derive(Default)]
struct Race {
    attempts: Vec<Attempt>,
    errors: Vec<io::Error>,
}

impl Race {
    fn is_full(&self) -> bool {
        self.attempts.len() >= MOST_ATTEMPTS
    }

    fn begin(&mut self, address: SocketAddr) {
        self.attempts.push(Attempt { address, connecting: Box::pin(TcpStream::connect(address)) });
    }

    fn give_up_oldest(&mut self) -> Option<SocketAddr> {
        (!self.attempts.is_empty()).then(|| self.attempts.remove(0).address)
    }

    /// Waits for the next attempt that ends; `None` where no attempt runs.
    fn poll_finished(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<(SocketAddr, io::Result<TcpStream>)>> {
        if self.attempts.is_empty() {
            return Poll::Ready(None);
        }
        let mut ended = None;
        for (at, attempt) in self.attempts.iter_mut().enumerate() {
            if let Poll::Ready(result) = attempt.connecting.as_mut().poll(context) {
                ended = Some((at, result));
                break;
            }
        }
        match ended {
            Some((at, result)) => Poll::Ready(Some((self.attempts.remove(at).address, result))),
            None => Poll::Pending,
        }
    }

    /// Chooses the error to report: a host that refuses says more than a family of addresses
    /// without a route.
    fn error(self) -> io::Error {
        let mut errors = self.errors;
        let routed = errors.iter().position(|error| !is_routeless(error));
        if errors.is_empty() {
            io::ErrorKind::TimedOut.into()
        } else {
            errors.swap_remove(routed.unwrap_or(0))
        }
    }
}

fn is_routeless(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::NetworkUnreachable,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::AddrNotAvailable,
    ];
    kinds.contains(&error.kind()) || error.kind() == io::ErrorKind::Unsupported
}

/// Adds both loopback addresses for `localhost`, which is this machine in both families, whatever
/// the system's table of hosts says (RFC 6761 section 6.3).
fn with_loopback(mut addresses: Vec<SocketAddr>, host: &str, port: u16) -> Vec<SocketAddr> {
    if host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)];
        addresses.extend(both.map(|address| SocketAddr::new(address, port)));
    }
    addresses
}

/// Orders the addresses, each once, with the families in turn, beginning with the family of the
/// first (RFC 8305 section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let Some(first) = distinct.first().map(SocketAddr::is_ipv6) else { return distinct };
    let (ours, others): (Vec<_>, Vec<_>) =
        distinct.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut turns = Vec::new();
    loop {
        let (one, other) = (ours.next(), others.next());
        if one.is_none() && other.is_none() {
            return turns;
        }
        turns.extend(one.into_iter().chain(other));
    }
}
