//! Listening sockets that another process has opened for this one: systemd (`LISTEN_FDS`), or the
//! process that this one replaces.
//!
//! A listener of the configuration takes the socket with its own address, so that the configuration
//! decides what is served, and not who passes the sockets. A socket of systemd's that no listener
//! takes is a fault: its clients would wait for ever.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use magicproxy_config::config::address::{Address, Families, ListenAddress};
use magicproxy_config::ground::environment::Environment;
use magicproxy_config::ground::fault::{Fault, Faults, Origin};
use magicproxy_config::ground::text::reason;
use rustix::net::sockopt::socket_type;
use rustix::net::{AddressFamily, SocketType, getsockname};

/// The most sockets that systemd may pass.
const MAX_SOCKETS: usize = 256;

/// The sockets passed to this process and not taken by a listener yet.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    sockets: Vec<PassedSocket>,
    /// The addresses of the predecessor's sockets that were taken.
    taken: Vec<String>,
}

/// A listening socket of another process.
#[derive(Debug)]
pub(crate) struct PassedSocket {
    pub(crate) listener: PassedListener,
    pub(crate) passed_by: SocketSource,
}

/// The socket, by its kind.
#[derive(Debug)]
pub(crate) enum PassedListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The process that passed a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SocketSource {
    /// systemd, or another program that passes sockets as systemd does. It takes the file of a Unix
    /// socket away itself, and has set the mode of the file.
    ServiceManager {
        /// The name that the socket has there (`FileDescriptorName=`).
        name: String,
    },
    /// The process that this one replaces.
    Predecessor {
        /// The address for which its configuration asked.
        listen: ListenAddress,
        /// Device and inode of the Unix socket's file, if this process has to take the file away at
        /// its end.
        file: Option<(u64, u64)>,
    },
}

impl PassedSockets {
    /// Makes the list of sockets that a predecessor has passed.
    pub(crate) fn of_predecessor(sockets: Vec<PassedSocket>) -> Self {
        Self { sockets, taken: Vec::new() }
    }

    /// Takes the sockets of systemd's protocol: descriptors from 3 on, if `LISTEN_PID` is this
    /// process. The process must not have opened a file yet, nor begun a second thread: the
    /// variables are removed.
    ///
    /// # Errors
    /// One fault for each descriptor that is no listening stream socket.
    pub(crate) fn of_service_manager(environment: &Environment) -> Result<Self, Faults> {
        let for_this_process =
            environment.var("LISTEN_PID") == Some(std::process::id().to_string().as_str());
        let Some(count) = environment.var("LISTEN_FDS").filter(|_| for_this_process) else {
            return Ok(Self::default());
        };
        match count.parse() {
            Ok(0..=MAX_SOCKETS) => {}
            _ => {
                let fault = format!("LISTEN_FDS `{count}`: expected 0 to {MAX_SOCKETS} sockets");
                return Err(Faults::one(Fault::new(fault, Origin::Default)));
            }
        }
        let names = environment.var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut descriptors = ListenFd::from_env();
        let (mut sockets, mut faults) = (Vec::new(), Vec::new());
        for at in 0..descriptors.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "unknown".to_owned());
            match PassedListener::of_descriptor(&mut descriptors, at) {
                Ok(listener) => sockets.push(PassedSocket {
                    listener,
                    passed_by: SocketSource::ServiceManager { name },
                }),
                Err(why) => faults.push(Fault::new(
                    format!("systemd passed `{name}` (descriptor {}): {why}", at + 3),
                    Origin::Default,
                )),
            }
        }
        if faults.is_empty() {
            Ok(Self { sockets, taken: Vec::new() })
        } else {
            Err(Faults { faults, sources: Default::default() })
        }
    }

    /// Takes the socket of a listener with this address, if there is one.
    pub(crate) fn take(&mut self, listen: &ListenAddress) -> Option<PassedSocket> {
        // A predecessor's socket of port 0 has an address that nobody could ask for.
        let asked = self.sockets.iter().position(|socket| {
            matches!(&socket.passed_by, SocketSource::Predecessor { listen: asked, .. } if asked == listen)
        });
        let at = asked.or_else(|| self.sockets.iter().position(|socket| socket.is_at(listen)))?;
        // In their order: listeners of port 0 differ by nothing else.
        let socket = self.sockets.remove(at);
        if let SocketSource::Predecessor { listen, .. } = &socket.passed_by {
            self.taken.push(listen.to_string());
        }
        Some(socket)
    }

    /// Closes the sockets of a predecessor that no listener has taken, because the configuration
    /// has changed. Returns the predecessor's addresses of those that were taken.
    ///
    /// # Errors
    /// One fault for each socket of systemd's that no listener has taken.
    pub(crate) fn refuse_the_rest(self) -> Result<Vec<String>, Faults> {
        let mut faults = Vec::new();
        for socket in self.sockets {
            let address = socket.listener.shown();
            match socket.passed_by {
                SocketSource::ServiceManager { name } => faults.push(
                    Fault::new(
                        format!("systemd passed the socket `{address}` (`{name}`), and no listener has this address"),
                        Origin::Default,
                    )
                    .help("give a listener the address (`listen`, `[[listeners]]`), or take it out of the socket unit"),
                ),
                SocketSource::Predecessor { .. } => tracing::info!(name: "socket_not_used", target: "magicproxy::upgrade",
                    "`{address}` is no longer listened on: the configuration has no such listener any more"),
            }
        }
        if faults.is_empty() {
            Ok(self.taken)
        } else {
            Err(Faults { faults, sources: Default::default() })
        }
    }
}

impl PassedSocket {
    fn is_at(&self, listen: &ListenAddress) -> bool {
        match (&self.passed_by, listen) {
            // A predecessor's socket was made at another path, and moved.
            (
                SocketSource::Predecessor { listen: ListenAddress::Unix(own), .. },
                ListenAddress::Unix(path),
            ) => is_file(own, path),
            _ => self.listener.is_at(listen),
        }
    }
}

impl PassedListener {
    fn of_descriptor(descriptors: &mut ListenFd, at: usize) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected a listening stream socket, of TCP or Unix (`ListenStream=`)";
        let tcp = descriptors.take_tcp_listener(at).ok().flatten().map(Self::Tcp);
        let listener = match tcp {
            Some(listener) => Some(listener),
            None => descriptors.take_unix_listener(at).ok().flatten().map(Self::Unix),
        };
        let listener = listener.ok_or(EXPECTED)?;
        if listener.is_listening() { Ok(listener) } else { Err(EXPECTED.to_owned()) }
    }

    /// Makes a listener of a descriptor, or gives nothing if the descriptor is no listening stream
    /// socket of a known family.
    pub(crate) fn of_socket(socket: OwnedFd) -> Option<Self> {
        let is_stream = socket_type(&socket).ok()? == SocketType::STREAM;
        let listener = match getsockname(&socket).ok()?.address_family() {
            _ if !is_stream => return None,
            AddressFamily::INET | AddressFamily::INET6 => Self::Tcp(socket.into()),
            AddressFamily::UNIX => Self::Unix(socket.into()),
            _ => return None,
        };
        listener.is_listening().then_some(listener)
    }

    fn is_listening(&self) -> bool {
        #[cfg(target_vendor = "apple")]
        return true;
        #[cfg(not(target_vendor = "apple"))]
        rustix::net::sockopt::socket_acceptconn(self).unwrap_or(false)
    }

    /// True if a listener of the configuration with this address would listen where this socket
    /// does.
    fn is_at(&self, listen: &ListenAddress) -> bool {
        match (self, listen) {
            (Self::Tcp(socket), ListenAddress::Tcp(address)) => {
                socket.local_addr().is_ok_and(|bound| is_bound_as(bound, address))
            }
            (Self::Unix(socket), ListenAddress::Unix(path)) => {
                let bound = socket.local_addr();
                bound.is_ok_and(|bound| bound.as_pathname().is_some_and(|at| is_file(at, path)))
            }
            (Self::Tcp(_) | Self::Unix(_), _) => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Tcp(socket) => socket
                .local_addr()
                .map_or_else(|error| reason(&error), |address| address.to_string()),
            Self::Unix(socket) => socket
                .local_addr()
                .ok()
                .and_then(|address| address.as_pathname().map(Path::to_owned))
                .map_or_else(|| "unix".to_owned(), |path| format!("unix:{}", path.display())),
        }
    }
}

impl AsFd for PassedListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

fn is_bound_as(bound: SocketAddr, address: &Address) -> bool {
    // What the system chose for port 0 was not asked for.
    if address.port == 0 || bound.port() != address.port {
        return false;
    }
    if address.families == Families::Every {
        return bound.ip().is_unspecified();
    }
    match address.host.parse::<IpAddr>() {
        Ok(ip) => bound.ip() == ip,
        Err(_) => (address.host.as_str(), address.port)
            .to_socket_addrs()
            .is_ok_and(|mut addresses| addresses.any(|address| address.ip() == bound.ip())),
    }
}

/// True if both paths are one file, whatever links lead there.
fn is_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| -> Option<PathBuf> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}
