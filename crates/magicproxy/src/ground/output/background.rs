//! Standard error of a server, written by a thread of its own: whoever has something to say never waits for its reader.
//!
//! A pipe that nobody reads, a stopped terminal and a full disk hold up this thread and nothing else. What waits is bounded:
//! lines beyond the bound are dropped and counted, and the count is told once writing works again. Only the writer thread
//! touches the sink, because a blocked write keeps the lock of [`io::Stderr`].

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an ordinary line waits for others, which are written in the same system call.
const DELAY: Duration = Duration::from_millis(100);
/// So many waiting bytes are written without delay, and so many at a time.
const BATCH: usize = 32 * 1024;
/// The bytes that may wait for a sink that takes nothing: half a minute's lines of a busy proxy.
const CAPACITY: usize = 4 * 1024 * 1024;
/// Room besides for the line that tells how many were dropped.
const RESERVE: usize = 4 * 1024;
/// The pause before a sink is tried again that would block (a pipe which somebody made non-blocking).
const RETRY: Duration = Duration::from_millis(20);
/// How long the end of the program waits while the sink takes nothing.
const STALL: Duration = Duration::from_secs(1);
/// How long the end of the program waits at the most.
const PATIENCE: Duration = Duration::from_secs(5);

/// A sink behind a queue and a thread. Clones share both.
#[derive(Debug)]
pub(crate) struct Background(Arc<Shared>);

impl Clone for Background {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// When a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// With others, after [`DELAY`] at the latest.
    Ordinary,
    /// At once.
    Urgent,
    /// At once, in the room that is kept for it: it tells how many others were dropped.
    Report,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was added, or is wanted at once.
    added: Condvar,
    /// Something was written, or the writer has nothing left to do.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    wanted_now: bool,
    /// Is the writer at work on bytes that it took from here?
    is_writing: bool,
    /// The number of writes that the sink took, which shows the end of the program that it takes something.
    writes: u64,
    /// Lines that were lost and not told of yet.
    dropped: u64,
}

impl Background {
    /// Starts the thread that writes to `sink`. It tells `report` how many lines were dropped, after something was written
    /// again; what `report` adds then has room.
    ///
    /// # Errors
    /// Those of the system, where there can be no thread.
    pub(crate) fn start<W, R>(sink: W, report: R) -> io::Result<Self>
    where
        W: Write + Send + 'static,
        R: Fn(u64) + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || theirs.write_for_ever(sink, &report))?;
        Ok(Self(shared))
    }

    /// Adds a line, with its end. Where there is no room, it is dropped and counted.
    pub(crate) fn add(&self, line: &[u8], urgency: Urgency) {
        let mut queue = self.0.lock();
        let capacity = if urgency == Urgency::Report { CAPACITY + RESERVE } else { CAPACITY };
        if queue.bytes.len() + line.len() > capacity {
            queue.dropped = queue.dropped.saturating_add(1);
            return;
        }
        let was_empty = queue.bytes.is_empty();
        queue.bytes.extend_from_slice(line);
        let now = !queue.wanted_now && (urgency != Urgency::Ordinary || queue.bytes.len() >= BATCH);
        queue.wanted_now |= now;
        drop(queue);
        if was_empty || now {
            self.0.added.notify_one();
        }
    }

    /// Waits until everything that was added is written; not for a sink that takes nothing for [`STALL`], and for none longer
    /// than [`PATIENCE`].
    pub(crate) fn flush(&self) {
        let end = Instant::now() + PATIENCE;
        let mut queue = self.0.lock();
        while (queue.is_writing || !queue.bytes.is_empty()) && Instant::now() < end {
            queue.wanted_now = true;
            self.0.added.notify_one();
            let writes = queue.writes;
            let waited =
                self.0.written.wait_timeout(queue, STALL).unwrap_or_else(PoisonError::into_inner);
            queue = waited.0;
            if waited.1.timed_out() && queue.writes == writes {
                return;
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_for_ever(&self, mut sink: impl Write, report: &dyn Fn(u64)) {
        let mut bytes = Vec::with_capacity(BATCH);
        // The sink holds the beginning of a line whose end it refused.
        let mut is_torn = false;
        loop {
            let dropped = self.take(&mut bytes);
            if is_torn {
                bytes.insert(0, b'\n');
            }
            let count = self.write(&mut sink, &bytes);
            let (written, left) = bytes.split_at(count);
            let lines_left = left.iter().filter(|byte| **byte == b'\n').count()
                - usize::from(is_torn && written.is_empty());
            is_torn = written.last().map_or(is_torn, |last| *last != b'\n');
            self.account(dropped, lines_left as u64, report);
            bytes.clear();
            bytes.shrink_to(BATCH);
        }
    }

    /// Waits for bytes, and for others beside them unless they are urgent, and takes them with the count of those dropped.
    fn take(&self, bytes: &mut Vec<u8>) -> u64 {
        let mut queue = self.lock();
        queue.is_writing = false;
        self.written.notify_all();
        while queue.bytes.is_empty() {
            queue = self.added.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.wanted_now {
            let waited = self.added.wait_timeout_while(queue, DELAY, |queue| !queue.wanted_now);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(bytes, &mut queue.bytes);
        (queue.wanted_now, queue.is_writing) = (false, true);
        std::mem::take(&mut queue.dropped)
    }

    /// Writes the bytes and gives how many of them the sink took.
    fn write(&self, sink: &mut impl Write, bytes: &[u8]) -> usize {
        let mut left = bytes;
        while !left.is_empty() {
            let batch = left.get(..BATCH).unwrap_or(left);
            match sink.write(batch) {
                Ok(0) => break,
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(RETRY);
                    continue;
                }
                // What cannot be said there is counted; to keep it would fill the memory.
                Err(_) => break,
            }
            self.lock().writes += 1;
            self.written.notify_all();
        }
        let _ = sink.flush();
        bytes.len() - left.len()
    }

    /// Tells of lines that were dropped before what was written now, or keeps their count where nothing can be written.
    fn account(&self, dropped: u64, lost: u64, report: &dyn Fn(u64)) {
        if lost > 0 {
            let mut queue = self.lock();
            queue.dropped = queue.dropped.saturating_add(dropped).saturating_add(lost);
        } else if dropped > 0 {
            report(dropped);
        }
    }
}
