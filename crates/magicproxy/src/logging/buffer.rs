//! Log lines written many at a time: a system call for each request's line costs more than the line.
//!
//! Lines wait for at most [`DELAY`]; warnings and errors do not wait, and take the others along. Only `kill -9` loses some.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others.
const DELAY: Duration = Duration::from_millis(100);
/// So many bytes wait for nobody.
const FULL: usize = 32 * 1024;

/// Standard error, buffered.
#[derive(Clone)]
pub(super) struct Buffered<W: Write + Send + 'static>(Arc<Shared<W>>);

struct Shared<W> {
    state: Mutex<State<W>>,
    /// There are lines, or nobody writes any more.
    changed: Condvar,
}

struct State<W> {
    lines: Vec<u8>,
    sink: W,
    closed: bool,
}

impl<W: Write> State<W> {
    fn flush(&mut self) -> io::Result<()> {
        let written = self.sink.write_all(&self.lines).and_then(|()| self.sink.flush());
        // What cannot be said there cannot be said; to keep it would fill the memory.
        self.lines.clear();
        written
    }
}

impl<W: Write + Send + 'static> Buffered<W> {
    /// Starts the thread that writes what waits. Without one, nothing waits.
    pub(super) fn new(sink: W) -> (Self, Flush<W>) {
        let state = Mutex::new(State { lines: Vec::with_capacity(FULL), sink, closed: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let started = std::thread::Builder::new().name("log".to_owned()).spawn(move || theirs.write_what_waits());
        if started.is_err() {
            shared.lock().closed = true;
        }
        (Self(Arc::clone(&shared)), Flush(shared))
    }
}

impl<W: Write> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_what_waits(&self) {
        let mut state = self.lock();
        while !state.closed {
            if state.lines.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // More lines come meanwhile.
            drop(state);
            std::thread::sleep(DELAY);
            state = self.lock();
            let _ = state.flush();
        }
    }
}

/// Dropped at the end of the program: writes what waits, and from then on nothing waits.
pub(crate) struct Flush<W: Write>(Arc<Shared<W>>);

impl<W: Write> Drop for Flush<W> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let _ = state.flush();
        self.0.changed.notify_all();
    }
}

/// What one event is written to.
pub(super) struct Line<'b, W: Write + Send + 'static> {
    buffered: &'b Buffered<W>,
    urgent: bool,
}

impl<W: Write + Send + 'static> Write for Line<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = &*self.buffered.0;
        let mut state = shared.lock();
        let first = state.lines.is_empty();
        state.lines.extend_from_slice(bytes);
        if self.urgent || state.closed || state.lines.len() >= FULL {
            state.flush()?;
        } else if first {
            shared.changed.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'b, W: Write + Send + 'static> MakeWriter<'b> for Buffered<W> {
    type Writer = Line<'b, W>;

    fn make_writer(&'b self) -> Self::Writer {
        Line { buffered: self, urgent: true }
    }

    fn make_writer_for(&'b self, event: &Metadata<'_>) -> Self::Writer {
        Line { buffered: self, urgent: *event.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    struct Sink(Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn buffered() -> (Buffered<Sink>, Flush<Sink>, Receiver<String>) {
        let (sender, receiver) = channel();
        let (buffered, flush) = Buffered::new(Sink(sender));
        (buffered, flush, receiver)
    }

    fn say(buffered: &Buffered<Sink>, text: &str, urgent: bool) {
        Line { buffered, urgent }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn lines_are_written_together_and_in_order() {
        let (buffered, _flush, written) = buffered();
        for number in 0..3 {
            say(&buffered, &format!("{number}\n"), false);
        }
        // All of them at once, unless this thread was held up between two for as long as lines wait.
        let mut text = written.recv_timeout(Duration::from_secs(20)).unwrap();
        while text.len() < 6 {
            text += &written.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert_eq!(text, "0\n1\n2\n");
    }

    #[test]
    fn what_is_urgent_does_not_wait_and_comes_last() {
        let (buffered, _flush, written) = buffered();
        say(&buffered, "one\n", false);
        say(&buffered, "two\n", true);
        let text: String = written.try_iter().collect();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn much_does_not_wait() {
        let (buffered, _flush, written) = buffered();
        say(&buffered, &"a".repeat(FULL), false);
        assert_eq!(written.try_iter().map(|text| text.len()).sum::<usize>(), FULL);
    }

    #[test]
    fn the_end_waits_for_nobody() {
        let (buffered, flush, written) = buffered();
        say(&buffered, "last\n", false);
        drop(flush);
        say(&buffered, "after\n", false);
        assert_eq!(written.try_iter().collect::<String>(), "last\nafter\n");
    }
}
