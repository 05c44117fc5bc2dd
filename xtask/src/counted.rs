//! Counting with valgrind: a reader of valgrind's output files, and a load that is the same in
//! every run.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, Result};

use crate::process::HUNG;

const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

const WAIT: &str = "epoll_wait";

/// The counted costs of a process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    instructions: u64,
    /// Calls of allocating functions, by the name of the function.
    allocations: BTreeMap<String, u64>,
    /// System calls, by name.
    system_calls: BTreeMap<String, u64>,
    clock_readings: u64,
}

impl Counts {
    /// Reads callgrind's profile and valgrind's trace of system calls.
    pub(crate) fn read(profile: &str, trace: &str) -> Result<Counts> {
        let mut counts = Counts { instructions: total(profile)?, ..Counts::default() };
        for (function, calls) in calls(profile) {
            if ALLOCATORS.contains(&function) {
                *counts.allocations.entry(function.to_owned()).or_default() += calls;
            } else if function.starts_with("clock_gettime") {
                counts.clock_readings += calls;
            }
        }
        // The C library reads the clock without a system call, except under valgrind.
        for name in trace.lines().filter_map(system_call).filter(|name| *name != "clock_gettime") {
            *counts.system_calls.entry(name.to_owned()).or_default() += 1;
        }
        anyhow::ensure!(
            !counts.allocations.is_empty() && counts.clock_readings > 0,
            "the profile names no function that counts"
        );
        anyhow::ensure!(!counts.system_calls.is_empty(), "the trace has no system call");
        Ok(counts)
    }

    /// Returns the number of system calls that wait for events.
    pub(crate) fn waits(&self) -> u64 {
        self.system_calls.get(WAIT).copied().unwrap_or(0)
    }

    /// Returns the instructions that the process executed.
    pub(crate) fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Returns the instructions, the allocations, the system calls without the waits, and the clock
    /// readings.
    pub(crate) fn figures(&self) -> [u64; 4] {
        [
            self.instructions,
            self.allocations.values().sum(),
            self.system_calls.values().sum::<u64>() - self.waits(),
            self.clock_readings,
        ]
    }
}

/// Reads the total from the line `totals:`, or from `summary:` of older versions of the format.
fn total(profile: &str) -> Result<u64> {
    let line = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .context("the profile has no total")
}

/// Reads each `calls=` line with the name of the called function. The profile spells a name out
/// only at the first use; later lines have the name's number alone.
fn calls(profile: &str) -> Vec<(&str, u64)> {
    let mut names = HashMap::new();
    let mut callee = "";
    let mut found = Vec::new();
    for line in profile.lines() {
        if let Some(text) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = text.split_once(' ').unwrap_or((text, ""));
            let name: &str =
                if name.is_empty() { names.get(number).copied().unwrap_or_default() } else { name };
            names.insert(number, name);
            callee = name;
        } else if let Some(count) =
            line.strip_prefix("calls=").and_then(|rest| rest.split(' ').next()?.parse().ok())
        {
            found.push((callee, count));
        }
    }
    found
}

/// Reads the name of the system call from `SYSCALL[2912,3]( 20) sys_writev ( 12, 0x…, 2 ) …`.
fn system_call(line: &str) -> Option<&str> {
    let (_, rest) = line.strip_prefix("SYSCALL[")?.split_once(')')?;
    rest.split([' ', '(']).find(|word| !word.is_empty())?.strip_prefix("sys_")
}

/// A load of keep-alive connections. In each round every connection sends one request, and all
/// requests are sent before the first response is read.
#[derive(Debug)]
pub(crate) struct Load {
    request: String,
    connections: Vec<TcpStream>,
}

impl Load {
    /// Connects, and takes a whole request, which every connection repeats.
    pub(crate) fn new(port: u16, request: String, connections: usize) -> Result<Load> {
        let connect = |_| TcpStream::connect(("127.0.0.1", port)).context("cannot reach the proxy");
        Ok(Load { request, connections: (0..connections).map(connect).collect::<Result<_>>()? })
    }

    pub(crate) fn run(&mut self, rounds: usize) -> Result<()> {
        for _ in 0..rounds {
            for connection in &mut self.connections {
                connection.write_all(self.request.as_bytes()).context("cannot send a request")?;
            }
            for connection in &mut self.connections {
                read_response(connection)?;
            }
        }
        Ok(())
    }
}

/// Reads a response with chunked content: the proxy sends chunks when links may have been
/// rewritten.
fn read_response(connection: &mut TcpStream) -> Result<()> {
    connection.set_read_timeout(Some(HUNG)).context("cannot set a timeout")?;
    let (mut response, mut piece) = (Vec::new(), [0; 4096]);
    while !response.ends_with(b"\r\n0\r\n\r\n") {
        let length = connection.read(&mut piece).context("no whole answer came")?;
        anyhow::ensure!(length > 0, "the response was broken off");
        response.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    anyhow::ensure!(
        response.starts_with(b"HTTP/1.1 200 "),
        "the response was {}",
        String::from_utf8_lossy(&response)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{calls, system_call, total};

    const PROFILE: &str = "events: Ir\nfn=(1) main\n1 5\ncfn=(2) malloc\ncalls=3 0\n1 60\ncfn=(3) clock_gettime@@GLIBC_2.17\n\
                           calls=2 0\n1 4\nfn=(2)\n7 60\nfn=(4) other\n1 1\ncfn=(2)\ncalls=1 0\n1 20\ntotals: 150\n";

    #[test]
    fn a_profile_is_understood() {
        assert_eq!(total(PROFILE).unwrap(), 150);
        assert_eq!(
            calls(PROFILE),
            [("malloc", 3), ("clock_gettime@@GLIBC_2.17", 2), ("malloc", 1)]
        );
    }

    #[test]
    fn a_trace_is_understood() {
        assert_eq!(
            system_call("SYSCALL[2912,3]( 20) sys_writev ( 12, 0x5a, 2 ) --> [async] ..."),
            Some("writev")
        );
        assert_eq!(
            system_call("SYSCALL[2912,3](228) sys_clock_gettime( 1, 0x5a )[sync] --> Success"),
            Some("clock_gettime")
        );
        assert_eq!(system_call("SYSCALL[2912,3](232) ... [async] --> Success(0x1)"), None);
        assert_eq!(system_call("==2912== Callgrind"), None);
    }
}
