use super::*;

fn listening(address: &str) -> PassedListener {
    PassedListener::Tcp(TcpListener::bind(address).unwrap())
}

fn port(listener: &PassedListener) -> u16 {
    match listener {
        PassedListener::Tcp(listener) => listener.local_addr().unwrap().port(),
        PassedListener::Unix(_) => panic!("no TCP"),
    }
}

#[test]
fn a_listener_knows_the_socket_with_its_address() {
    let (loopback, every) = (listening("127.0.0.1:0"), listening("0.0.0.0:0"));
    for (socket, listen, expected) in [
        (&loopback, "127.0.0.1:PORT", true),
        (&loopback, "localhost:PORT", true),
        (&loopback, "127.0.0.2:PORT", false),
        (&loopback, "127.0.0.1:1", false),
        (&loopback, "127.0.0.1:0", false),
        (&loopback, "0.0.0.0:PORT", false),
        (&loopback, ":PORT", false),
        (&loopback, "[::1]:PORT", false),
        (&loopback, "unix:/nowhere", false),
        (&every, "0.0.0.0:PORT", true),
        (&every, ":PORT", true),
        (&every, "127.0.0.1:PORT", false),
    ] {
        let listen = listen.replace("PORT", &port(socket).to_string());
        let is_at = socket.is_at(&ListenAddress::parse(&listen).unwrap());
        assert_eq!(is_at, expected, "{listen} for {}", socket.shown());
    }
}

#[test]
fn a_path_is_known_by_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let socket = PassedListener::Unix(UnixListener::bind(real.join("s")).unwrap());
    for (path, expected) in [
        (real.join("s"), true),
        (link.join("s"), true),
        (real.join("other"), false),
        (folder.path().join("s"), false),
        (folder.path().join("nowhere/s"), false),
    ] {
        assert_eq!(
            socket.is_at(&ListenAddress::Unix(path.clone())),
            expected,
            "{}",
            path.display()
        );
    }
    let nameless = std::os::unix::net::UnixListener::bind_addr(
        &<std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
            format!("magicproxy-passed-{}", std::process::id()),
        )
        .unwrap(),
    );
    let nameless = PassedListener::Unix(nameless.unwrap());
    assert!(!nameless.is_at(&ListenAddress::Unix(real.join("s"))));
}

/// The socket of port 0 has an address that no configuration could name.
#[test]
fn a_predecessors_socket_is_known_by_what_its_configuration_said() {
    let zero = "127.0.0.1:0";
    let sockets = [zero, zero, zero, "localhost:0"].map(|listen| PassedSocket {
        listener: listening(listen),
        passed_by: SocketSource::Predecessor {
            listen: ListenAddress::parse(listen).unwrap(),
            file: None,
        },
    });
    let ports: Vec<u16> = sockets.iter().map(|socket| port(&socket.listener)).collect();
    let mut passed = PassedSockets::of_predecessor(sockets.into());
    let mut take = |listen: &str| passed.take(&ListenAddress::parse(listen).unwrap());
    assert!(take("127.0.0.2:0").is_none());
    let taken = [zero; 3].map(|listen| port(&take(listen).unwrap().listener));
    assert_eq!(taken, ports[..3], "in their order");
    assert!(take(zero).is_none(), "each is taken once");
    // The rest is closed, and is no fault.
    assert_eq!(passed.refuse_the_rest().unwrap(), [zero; 3]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", ports[3])).is_err());
}

/// The path of a listener may be written in another way than by the predecessor.
#[test]
fn a_predecessors_unix_socket_is_known_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let made = UnixListener::bind(folder.path().join("made")).unwrap();
    std::fs::rename(folder.path().join("made"), folder.path().join("s")).unwrap();
    let mut passed = PassedSockets::of_predecessor(vec![PassedSocket {
        listener: PassedListener::Unix(made),
        passed_by: SocketSource::Predecessor {
            listen: ListenAddress::Unix(folder.path().join("s")),
            file: None,
        },
    }]);
    for (path, expected) in
        [(link.join("made"), false), (folder.path().join("other"), false), (link.join("s"), true)]
    {
        assert_eq!(passed.take(&ListenAddress::Unix(path.clone())).is_some(), expected, "{path:?}");
    }
}
