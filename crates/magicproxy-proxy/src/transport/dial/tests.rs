use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

/// More than any machine needs.
const LONG: Duration = Duration::from_secs(60);

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn families_take_turns_and_nothing_comes_twice() {
    for (found, order) in [
        (
            &["[::1]:1", "[::2]:1", "1.0.0.1:1", "1.0.0.2:1"][..],
            &["[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1"][..],
        ),
        (&["1.0.0.1:1", "1.0.0.2:1", "[::1]:1"], &["1.0.0.1:1", "[::1]:1", "1.0.0.2:1"]),
        (&["1.0.0.1:1", "1.0.0.1:1", "1.0.0.2:1"], &["1.0.0.1:1", "1.0.0.2:1"]),
        (&["[::1]:1"], &["[::1]:1"]),
        (&[], &[]),
    ] {
        assert_eq!(in_turns(addresses(found)), addresses(order), "{found:?}");
    }
}

#[test]
fn localhost_is_both_loopback_addresses() {
    for (host, found, all) in [
        ("localhost", &["127.0.0.1:1"][..], &["127.0.0.1:1", "[::1]:1"][..]),
        ("LocalHost.", &["[::1]:1"], &["[::1]:1", "127.0.0.1:1"]),
        ("localhost", &[], &["[::1]:1", "127.0.0.1:1"]),
        ("localhost.example", &["127.0.0.1:1"], &["127.0.0.1:1"]),
        ("example", &[], &[]),
    ] {
        assert_eq!(in_turns(with_loopback(addresses(found), host, 1)), addresses(all), "{host}");
    }
}

#[test]
fn failed_addresses_come_last_and_their_memory_is_bounded() {
    let failed = FailedAddresses::default();
    let all = addresses(&["1.0.0.1:1", "1.0.0.2:1", "1.0.0.3:1"]);
    failed.note(all[0]);
    failed.note(all[1]);
    assert_eq!(failed.last(all.clone()), addresses(&["1.0.0.3:1", "1.0.0.1:1", "1.0.0.2:1"]));
    failed.note(all[0]);
    assert_eq!(
        failed.last(all.clone()),
        addresses(&["1.0.0.3:1", "1.0.0.2:1", "1.0.0.1:1"]),
        "the longest ago first"
    );
    failed.forget(all[0]);
    assert_eq!(failed.last(all.clone()), addresses(&["1.0.0.1:1", "1.0.0.3:1", "1.0.0.2:1"]));
    for number in 0..1_000_u32 {
        failed.note(SocketAddr::new(IpAddr::from(Ipv4Addr::from_bits(number)), 1));
    }
    assert!(format!("{failed:?}").matches("Instant").count() <= MOST_ADDRESSES);
}

/// A port on 127.0.0.1 at which connections are never made: the queue of its listener is full.
struct Silent {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Silent {
    async fn new(host: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{host}:0").parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            waiting.push(stream);
        }
        Self { address, _listener: listener, _waiting: waiting }
    }
}

fn candidates(addresses: &[SocketAddr]) -> Candidates {
    Candidates { waiting: addresses.iter().copied().collect() }
}

async fn free(host: &str) -> SocketAddr {
    TcpListener::bind((host, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_first_address_that_answers_is_taken_whatever_the_others_do() {
    let dialer = Dialer::new("name.test", 1);
    let silent = [Silent::new("127.0.0.2").await, Silent::new("127.0.0.3").await];
    let (refusing, good) =
        (free("127.0.0.4").await, TcpListener::bind(("127.0.0.5", 0)).await.unwrap());
    let good = good.local_addr().map(|address| (address, good)).unwrap();
    let silent = silent.each_ref().map(|silent| silent.address);
    for order in [
        vec![good.0, silent[0]],
        vec![silent[0], good.0],
        vec![refusing, good.0],
        vec![refusing, silent[0], refusing, good.0],
        vec![silent[0], silent[1], refusing, good.0, silent[0]],
        // More than there are attempts at the same time.
        vec![silent[0], silent[1], silent[0], silent[1], silent[0], silent[1], good.0],
    ] {
        let mut left = candidates(&order);
        let connected = timeout(LONG, dialer.connect(&mut left)).await.unwrap().unwrap();
        assert_eq!(connected.1, good.0, "{order:?}");
        assert_eq!(connected.0.peer_addr().unwrap(), good.0);
    }
}

/// What did not answer while another did comes last; the rest is left to be tried where the first turns out to be of no use.
#[tokio::test]
async fn what_was_overtaken_is_tried_last() {
    let dialer = Dialer::new("name.test", 1);
    let silent = Silent::new("127.0.0.2").await;
    let good = TcpListener::bind(("127.0.0.5", 0)).await.unwrap();
    let (good, third) =
        (good.local_addr().map(|address| (address, good)).unwrap(), free("127.0.0.6").await);
    let mut left = candidates(&[silent.address, good.0, third]);
    timeout(LONG, dialer.connect(&mut left)).await.unwrap().unwrap();
    assert_eq!(left.waiting, [third, silent.address]);
    let order = dialer.failed.last(vec![silent.address, good.0, third]);
    assert_eq!(order, [good.0, third, silent.address]);
    // Now the good one is the first, and nothing else is begun beside it.
    let mut left = candidates(&order);
    timeout(LONG, dialer.connect(&mut left)).await.unwrap().unwrap();
    assert_eq!(left.waiting, [third, silent.address]);
    dialer.failed(good.0);
    assert_eq!(dialer.failed.last(vec![good.0, third]), [third, good.0]);
}

/// Each attempt takes a file, so only four are made at the same time: the oldest gives way to the next.
#[tokio::test]
async fn attempts_at_the_same_time_are_few() {
    let silent =
        ["127.0.0.12", "127.0.0.13", "127.0.0.14", "127.0.0.15", "127.0.0.16", "127.0.0.17"];
    let silent: Vec<Silent> = futures_of(silent.map(Silent::new)).await;
    let addresses: Vec<SocketAddr> = silent.iter().map(|silent| silent.address).collect();
    let good = TcpListener::bind(("127.0.0.5", 0)).await.unwrap();
    for (tried, left) in [(3, 0..3), (4, 1..4), (6, 3..6)] {
        let dialer = Dialer::new("name.test", 1);
        let order = [&addresses[..tried], &[good.local_addr().unwrap()]].concat();
        let mut candidates = candidates(&order);
        timeout(LONG, dialer.connect(&mut candidates)).await.unwrap().unwrap();
        // What was still under way is tried again; what gave way is not.
        assert_eq!(candidates.waiting, &addresses[left], "{tried}");
        // Next time all of them come behind the one that answered, those that gave way as well.
        let next = [&[good.local_addr().unwrap()], &addresses[..tried]].concat();
        assert_eq!(dialer.failed.last(order), next, "{tried}");
    }
}

/// All of them, made at the same time.
async fn futures_of<T: Send + 'static, const N: usize>(
    making: [impl Future<Output = T> + Send + 'static; N],
) -> Vec<T> {
    let mut made = Vec::new();
    for task in making.map(tokio::spawn) {
        made.push(task.await.unwrap());
    }
    made
}

#[test]
fn the_error_is_that_of_the_address_which_says_most() {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied,
        TimedOut,
    };
    for (kinds, said) in [
        (&[ConnectionRefused][..], ConnectionRefused),
        (&[NetworkUnreachable, ConnectionRefused], ConnectionRefused),
        (&[HostUnreachable, AddrNotAvailable, TimedOut], TimedOut),
        (&[ConnectionRefused, PermissionDenied], ConnectionRefused),
        (&[NetworkUnreachable, HostUnreachable], NetworkUnreachable),
        (&[], TimedOut),
    ] {
        let race = Race {
            attempts: Vec::new(),
            errors: kinds.iter().map(|kind| io::Error::from(*kind)).collect(),
        };
        assert_eq!(race.error().kind(), said, "{kinds:?}");
    }
}

#[tokio::test]
async fn an_api_on_one_loopback_address_is_found_by_the_name_localhost() {
    for host in ["127.0.0.1", "::1"] {
        let Ok(listener) = TcpListener::bind((host, 0)).await else { continue };
        let address = listener.local_addr().unwrap();
        let stream =
            timeout(LONG, Dialer::new("localhost", address.port()).dial()).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }
}
