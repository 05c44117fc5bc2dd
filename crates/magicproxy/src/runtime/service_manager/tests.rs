use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;

use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Every state, by the path of a socket and by an abstract name.
#[test]
fn the_service_manager_hears_each_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("magicproxy-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (listening, named) in [
        (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
        (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
    ] {
        let manager = ServiceManager::of(&environment(&[("NOTIFY_SOCKET", &named)]));
        let heard = || {
            let mut text = [0; 1024];
            let length = listening.recv(&mut text).unwrap();
            String::from_utf8(text[..length].to_vec()).unwrap()
        };
        // Before the proxy serves there is nothing to end.
        manager.reloading();
        manager.reloaded();
        manager.ready("http://127.0.0.1:5000\nREADY=0");
        assert_eq!(heard(), "READY=1\nSTATUS=serving on http://127.0.0.1:5000 READY=0\n");
        manager.reloading();
        let reloading = heard();
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.split('\n').next().unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
        manager.reloaded();
        assert_eq!(heard(), "READY=1\nSTATUS=serving on http://127.0.0.1:5000 READY=0\n");
        manager.replaced_by(17);
        assert_eq!(heard(), "MAINPID=17\n");
        manager.stopping();
        assert_eq!(heard(), "STOPPING=1\nSTATUS=finishing the requests in progress\n");
    }
}

#[test]
fn nobody_is_told_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("nobody").display().to_string();
    // Somebody listens there, and is not meant: a path is read from the root.
    let there = folder.path().join("there");
    let _listening = UnixDatagram::bind(&there).unwrap();
    let depth = std::env::current_dir().unwrap().components().count() - 1;
    let relative = format!("{}{}", "../".repeat(depth), there.strip_prefix("/").unwrap().display());
    assert!(std::path::Path::new(&relative).exists(), "{relative}");
    for variables in [
        &[][..],
        &[("NOTIFY_SOCKET", relative.as_str())],
        &[("NOTIFY_SOCKET", "vsock:2:1234")],
        &[("NOTIFY_SOCKET", &nobody)],
    ] {
        let manager = ServiceManager::of(&environment(variables));
        assert!(manager.socket.is_none() && manager.watchdog.is_none(), "{variables:?}");
        manager.ready("nowhere");
    }
    let path = folder.path().join("s");
    let listening = UnixDatagram::bind(&path).unwrap();
    let manager =
        ServiceManager::of(&environment(&[("NOTIFY_SOCKET", &path.display().to_string())]));
    drop(listening);
    manager.ready("a service manager that has gone harms nobody");
}

#[test]
fn the_watchdog_is_for_the_process_that_it_names() {
    let own = std::process::id().to_string();
    let other = (std::process::id() + 1).to_string();
    for (variables, expected) in [
        (&[("WATCHDOG_USEC", "3000000")][..], Some(Duration::from_secs(3))),
        (&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", &own)], Some(Duration::from_secs(3))),
        (&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", &other)], None),
        (&[("WATCHDOG_USEC", "0")], None),
        (&[("WATCHDOG_USEC", "soon")], None),
        (&[("WATCHDOG_PID", &own)], None),
        (&[], None),
    ] {
        assert_eq!(watchdog(&environment(variables)), expected, "{variables:?}");
    }
}
