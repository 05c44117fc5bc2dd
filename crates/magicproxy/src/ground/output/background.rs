//! Standard error of a server, written by a thread of its own: no other thread waits for the reader
//! of standard error.
//!
//! A pipe without a reader, a stopped terminal and a full disk hold up the writer thread and
//! nothing else. The queue is bounded: lines beyond the bound are dropped and counted, and the
//! count is reported once writing works again. Only the writer thread touches the sink, because a
//! blocked write keeps the lock of [`io::Stderr`].

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The time that an ordinary line waits for others, to be written in the same system call.
const DELAY: Duration = Duration::from_millis(100);
/// The number of waiting bytes that is written without delay, and the most of one write.
const BATCH: usize = 32 * 1024;
/// The bytes that may wait for a blocked sink: half a minute's lines of a busy proxy.
const CAPACITY: usize = 4 * 1024 * 1024;
/// The room beyond the capacity, kept for the report of dropped lines.
const RESERVE: usize = 4 * 1024;
/// The pause before another write to a sink that would block (a pipe made non-blocking by another
/// process).
const RETRY: Duration = Duration::from_millis(20);
/// The time that the end of the program waits for a sink without progress.
const STALL: Duration = Duration::from_secs(1);
/// The longest time that the end of the program waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// A sink behind a queue and a thread. Clones share both.
#[derive(Debug)]
pub(crate) struct Background(Arc<Shared>);

impl Clone for Background {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The moment at which a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// With others, after [`DELAY`] at the latest.
    Ordinary,
    /// At once.
    Urgent,
    /// At once, in the room kept for reports: the line reports the number of dropped lines.
    Report,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signalled when bytes were added, or are wanted at once.
    added: Condvar,
    /// Signalled when bytes were written, or the writer has nothing left to do.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    wanted_now: bool,
    /// True while the writer thread writes bytes taken from the queue.
    is_writing: bool,
    /// The number of writes taken by the sink: progress, as seen by the end of the program.
    writes: u64,
    /// The number of lost lines not yet reported.
    dropped: u64,
}

impl Background {
    /// Starts the thread that writes to `sink`. After a successful write the thread calls `report`
    /// with the number of lines dropped before; the lines added by `report` then have room.
    ///
    /// # Errors
    /// The system's error, if no thread can be started.
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

    /// Adds a line, with its line end. A line without room is dropped and counted.
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

    /// Waits until all added lines are written; at most [`STALL`] for a sink without progress, and
    /// at most [`PATIENCE`] for any sink.
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
        // True while the sink holds the beginning of a line whose end it refused.
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

    /// Waits for bytes, and for more of them unless a line is urgent; takes the bytes, and the
    /// count of dropped lines.
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

    /// Writes the bytes and returns the number taken by the sink.
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
                // Bytes refused by the sink are counted as lost: keeping them would fill the
                // memory.
                Err(_) => break,
            }
            self.lock().writes += 1;
            self.written.notify_all();
        }
        let _ = sink.flush();
        bytes.len() - left.len()
    }

    /// Reports the lines dropped before the last write, or keeps their count where nothing can be
    /// written.
    fn account(&self, dropped: u64, lost: u64, report: &dyn Fn(u64)) {
        if lost > 0 {
            let mut queue = self.lock();
            queue.dropped = queue.dropped.saturating_add(dropped).saturating_add(lost);
        } else if dropped > 0 {
            report(dropped);
        }
    }
}
