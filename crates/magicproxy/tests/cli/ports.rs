//! Ports for servers that a test starts by their address.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use socket2::{Domain, Socket, Type};

/// Sockets that hold the ports which were given, until this process ends.
static HELD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 at which nobody listens, and which nobody else is given while this process runs, neither to listen at
/// nor to connect from. Who asks for it by its number and with `SO_REUSEADDR`, as the proxy does, gets it.
pub(crate) fn reserved_port() -> u16 {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket_ipv4().unwrap().port();
    // Elsewhere a port that is bound is bound by nobody else, whatever they ask for.
    if cfg!(target_os = "linux") {
        HELD.lock().unwrap().push(socket);
    }
    port
}

#[cfg(target_os = "linux")]
#[test]
fn a_reserved_port_is_given_to_nobody_who_does_not_ask_for_it() {
    use std::net::{TcpListener, TcpStream};
    let port = reserved_port();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "nobody listens");
    // The standard library asks with `SO_REUSEADDR`.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    drop(listener);
    let others: Vec<u16> = (0..500).map(|_| reserved_port()).collect();
    assert!(!others.contains(&port), "{port} in {others:?}");
}
