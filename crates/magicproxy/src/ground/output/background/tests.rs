use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// More than any machine needs.
const LONG: Duration = Duration::from_secs(60);

/// What a sink does with the next write.
enum Reaction {
    Take,
    TakeBytes(usize),
    Refuse(io::ErrorKind),
}

/// A sink that waits for a response to each write, and takes everything once nobody answers any more.
struct Sink {
    reactions: Receiver<Reaction>,
    /// A write has begun.
    begun: Sender<()>,
    written: Sender<String>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.send(());
        let count = match self.reactions.recv().unwrap_or(Reaction::Take) {
            Reaction::Take => bytes.len(),
            Reaction::TakeBytes(count) => count,
            Reaction::Refuse(kind) => return Err(kind.into()),
        };
        let _ = self.written.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer and the other side of its sink.
struct Fixture {
    background: Background,
    reactions: Option<Sender<Reaction>>,
    begun: Receiver<()>,
    written: Receiver<String>,
}

impl Fixture {
    fn new() -> Self {
        let ((reactions, asked), (begin, begun), (write, written)) =
            (channel(), channel(), channel());
        let own: Arc<Mutex<Option<Background>>> = Arc::default();
        let reporter = Arc::clone(&own);
        let background = Background::start(
            Sink { reactions: asked, begun: begin, written: write },
            move |count| {
                let background = reporter.lock().unwrap().clone().unwrap();
                background.add(format!("{count} dropped\n").as_bytes(), Urgency::Report);
            },
        );
        let background = background.unwrap();
        *own.lock().unwrap() = Some(background.clone());
        Self { background, reactions: Some(reactions), begun, written }
    }

    /// One whose sink takes everything.
    fn open() -> Self {
        let mut fixture = Self::new();
        fixture.read_all();
        fixture
    }

    fn react(&self, react: Reaction) {
        self.reactions.as_ref().unwrap().send(react).unwrap();
    }

    /// From now on, the sink takes everything.
    fn read_all(&mut self) {
        self.reactions = None;
    }

    fn say(&self, text: &str, urgency: Urgency) {
        self.background.add(text.as_bytes(), urgency);
    }

    /// Reads until the text ends so.
    #[track_caller]
    fn read_to(&self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text += &self
                .written
                .recv_timeout(LONG)
                .unwrap_or_else(|_| panic!("{} bytes, and no {end:?}", text.len()));
        }
        text
    }
}

#[test]
fn lines_are_written_in_order_whatever_their_urgency() {
    let fixture = Fixture::open();
    fixture.say("one\n", Urgency::Ordinary);
    fixture.say("two\n", Urgency::Ordinary);
    assert_eq!(fixture.read_to("two\n"), "one\ntwo\n");
    fixture.say("three\n", Urgency::Ordinary);
    fixture.say("four\n", Urgency::Urgent);
    assert_eq!(fixture.read_to("four\n"), "three\nfour\n");
}

#[test]
fn lines_that_wait_are_written_together() {
    let mut fixture = Fixture::new();
    fixture.say("first\n", Urgency::Urgent);
    fixture.begun.recv_timeout(LONG).unwrap();
    for number in 0..3 {
        fixture.say(&format!("{number}\n"), Urgency::Ordinary);
    }
    fixture.read_all();
    let batches: Vec<_> =
        [(); 2].iter().map(|()| fixture.written.recv_timeout(LONG).unwrap()).collect();
    assert_eq!(batches, ["first\n", "0\n1\n2\n"]);
}

/// The first line is with the sink, which takes nothing; then as many wait as there is room for, and the rest is counted.
#[test]
fn a_sink_that_takes_nothing_holds_nobody_up_and_what_is_dropped_is_told() {
    let mut fixture = Fixture::new();
    fixture.say("first\n", Urgency::Urgent);
    fixture.begun.recv_timeout(LONG).unwrap();
    let line = format!("{}\n", "x".repeat(BATCH - 1));
    for _ in 0..CAPACITY / BATCH + 7 {
        fixture.say(&line, Urgency::Ordinary);
    }
    assert!(fixture.background.0.lock().bytes.len() <= CAPACITY);
    fixture.read_all();
    let text = fixture.read_to(" dropped\n");
    assert_eq!(text, format!("first\n{}7 dropped\n", line.repeat(CAPACITY / BATCH)));
    fixture.say("after\n", Urgency::Urgent);
    assert_eq!(fixture.read_to("after\n"), "after\n", "it is told once");
    assert!(fixture.background.0.lock().bytes.capacity() <= 2 * BATCH, "the memory is given back");
}

#[test]
fn the_end_tells_what_was_dropped() {
    let mut fixture = Fixture::new();
    fixture.say("first\n", Urgency::Urgent);
    fixture.begun.recv_timeout(LONG).unwrap();
    fixture.say(&format!("{}\n", "x".repeat(CAPACITY - 1)), Urgency::Ordinary);
    fixture.say("dropped\n", Urgency::Urgent);
    fixture.read_all();
    fixture.background.flush();
    assert!(fixture.written.try_iter().collect::<String>().ends_with("x\n1 dropped\n"));
}

#[test]
fn the_end_waits_for_a_sink_that_takes_something_and_for_no_other() {
    let mut fixture = Fixture::new();
    fixture.say("stuck\n", Urgency::Ordinary);
    // Comes back though nothing was written.
    fixture.background.flush();
    assert!(fixture.written.try_recv().is_err());
    fixture.read_all();
    fixture.background.flush();
    fixture.say("after\n", Urgency::Ordinary);
    fixture.background.flush();
    assert_eq!(fixture.written.try_iter().collect::<String>(), "stuck\nafter\n");
}

#[test]
fn what_a_sink_refuses_is_counted_and_the_next_line_begins_a_line() {
    for (count, kept) in [(0, ""), (4, "one\n"), (6, "one\ntw\n")] {
        let mut fixture = Fixture::new();
        if count > 0 {
            fixture.react(Reaction::TakeBytes(count));
        }
        fixture.react(Reaction::Refuse(io::ErrorKind::StorageFull));
        fixture.say("one\ntwo\nthree\n", Urgency::Urgent);
        fixture.begun.recv_timeout(LONG).unwrap();
        fixture.background.flush();
        fixture.say("four\n", Urgency::Urgent);
        fixture.read_all();
        let lost = if count == 0 { 3 } else { 2 };
        assert_eq!(fixture.read_to(" dropped\n"), format!("{kept}four\n{lost} dropped\n"));
    }
}

#[test]
fn a_sink_that_would_block_or_is_interrupted_is_tried_again() {
    for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted] {
        let mut fixture = Fixture::new();
        fixture.react(Reaction::TakeBytes(2));
        fixture.react(Reaction::Refuse(kind));
        fixture.read_all();
        fixture.say("one\n", Urgency::Ordinary);
        assert_eq!(fixture.read_to("one\n"), "one\n");
    }
}

#[test]
fn much_does_not_wait() {
    let fixture = Fixture::open();
    fixture.say(&"a".repeat(BATCH), Urgency::Ordinary);
    assert!(fixture.background.0.lock().wanted_now || fixture.begun.recv_timeout(LONG).is_ok());
    assert_eq!(fixture.read_to("a").len(), BATCH);
}
