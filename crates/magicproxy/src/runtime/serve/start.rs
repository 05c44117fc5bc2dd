//! The parts of a process that others have given it: sockets, and a service manager.

use magicproxy_config::ground::environment::Environment;

use crate::ground::failure::Failure;
use crate::runtime::service_manager::ServiceManager;
use crate::runtime::upgrade::{Predecessor, ProgramFile};
use crate::runtime::wire::passed::PassedSockets;

/// Everything that a process must take up before it opens a file or begins a second thread. Faults
/// are kept until there is a log.
pub(crate) struct Start {
    pub(crate) program: std::io::Result<ProgramFile>,
    pub(crate) sockets: Result<(Option<Predecessor>, PassedSockets), Failure>,
    environment: Environment,
}

impl Start {
    /// Takes up what the parent of this process has left to it.
    pub(crate) fn of_process(environment: &Environment) -> Self {
        Self {
            program: ProgramFile::of_process(),
            sockets: sockets(environment),
            environment: environment.clone(),
        }
    }

    /// Finds the service manager.
    pub(crate) fn service_manager(&self) -> ServiceManager {
        ServiceManager::of(&self.environment)
    }
}

fn sockets(environment: &Environment) -> Result<(Option<Predecessor>, PassedSockets), Failure> {
    // systemd's variables are of no use to a successor, whose predecessor took the sockets.
    let of_manager = PassedSockets::of_service_manager(environment)?;
    Ok(match Predecessor::of_process(environment)? {
        Some((predecessor, sockets)) => (Some(predecessor), sockets),
        None => (None, of_manager),
    })
}
