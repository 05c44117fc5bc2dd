//! Clients by the clock, and an API for them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The requests of all clients in a second, as far as the machine sends them.
const RATE: u32 = 1_000;
/// Clients that keep their connection, and clients with a connection for each request.
const CLIENTS: [u32; 2] = [6, 2];
/// A machine that takes longer for an answer is out of order.
const PATIENCE: Duration = Duration::from_secs(120);

/// An API that says `ok`, streams at `/stream`, and echoes at `/ws`.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    streams_end: Arc<AtomicBool>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams_end = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&streams_end);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, end) = (stream.unwrap(), Arc::clone(&end));
                std::thread::spawn(move || serve(&stream, &end));
            }
        });
        Self { port, streams_end }
    }

    pub(crate) fn end_streams(&self) {
        self.streams_end.store(true, Ordering::SeqCst);
    }
}

/// Until the connection ends.
fn serve(mut stream: &TcpStream, end: &AtomicBool) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    loop {
        let head = read_head(&mut reader)?;
        let response = if head.contains(" /stream ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
            while !end.load(Ordering::SeqCst) {
                stream.write_all(b"4\r\nmore\r\n").ok()?;
                std::thread::sleep(Duration::from_millis(10));
            }
            "0\r\n\r\n"
        } else if head.contains(" /ws ") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
                .ok()?;
            let mut byte = [0];
            while reader.read(&mut byte).ok()? == 1 {
                stream.write_all(&byte).ok()?;
            }
            return None;
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        };
        stream.write_all(response.as_bytes()).ok()?;
    }
}

/// A head; none at the end of the connection.
fn read_head(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// A client's connection.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }

    /// A request, and whether its answer leaves the connection open.
    fn ask(&self, request: &str) -> Result<bool, String> {
        (&self.stream)
            .write_all(request.as_bytes())
            .map_err(|error| format!("sending: {error}"))?;
        let mut reader = BufReader::new(&self.stream);
        let head = read_head(&mut reader).ok_or("no answer")?;
        let mut body = [0; 2];
        reader.read_exact(&mut body).map_err(|error| format!("body: {error}"))?;
        if !head.starts_with("HTTP/1.1 200 ") || &body != b"ok" {
            return Err(head);
        }
        Ok(!head.to_ascii_lowercase().contains("connection: close"))
    }
}

fn request(path: &str, token: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{lines}\r\n"
    )
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) kept: usize,
    pub(crate) new_connections: usize,
    pub(crate) failures: Vec<String>,
    /// The longest time from the moment at which a request was due to its answer.
    pub(crate) slowest: Duration,
    pub(crate) seconds: f64,
}

/// Clients that send by the clock until they are told to stop.
pub(crate) struct Load {
    began: Instant,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    counts: Arc<Mutex<Counts>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Every client has the next of the tokens, in turn.
    pub(crate) fn start(address: &str, tokens: &[&str]) -> Self {
        let mut load = Self {
            began: Instant::now(),
            stop: Arc::default(),
            answered: Arc::default(),
            counts: Arc::default(),
            clients: Vec::new(),
        };
        let each = Duration::from_secs(1) * CLIENTS.iter().sum::<u32>() / RATE;
        let mut tokens = tokens.iter().cycle();
        for (keeps, clients) in [(true, CLIENTS[0]), (false, CLIENTS[1])] {
            for token in tokens.by_ref().take(clients as usize) {
                let (stop, answered, counts) =
                    (Arc::clone(&load.stop), Arc::clone(&load.answered), Arc::clone(&load.counts));
                let (address, token) = (address.to_owned(), (*token).to_owned());
                load.clients.push(std::thread::spawn(move || {
                    let client =
                        Clocked { address, request: request("/a", &token, ""), keeps, each };
                    client.run(&stop, &answered, &counts);
                }));
            }
        }
        load
    }

    /// Until so many more requests are answered.
    pub(crate) fn until_answered(&self, more: usize) {
        let goal = self.answered.load(Ordering::SeqCst) + more;
        while self.answered.load(Ordering::SeqCst) < goal
            && self.counts.lock().unwrap().failures.is_empty()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn stop(self) -> Counts {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        let mut counts = std::mem::take(&mut *self.counts.lock().unwrap());
        counts.seconds = self.began.elapsed().as_secs_f64();
        counts
    }
}

/// A client with a request due every so often, which it sends late rather than never.
struct Clocked {
    address: String,
    request: String,
    keeps: bool,
    each: Duration,
}

impl Clocked {
    fn run(&self, stop: &AtomicBool, answered: &AtomicUsize, counts: &Mutex<Counts>) {
        let (mut due, mut kept) = (Instant::now(), None);
        while !stop.load(Ordering::SeqCst) {
            due += self.each;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let client = kept.take().unwrap_or_else(|| Client::connect(&self.address));
            let response = client.ask(&self.request);
            let mut counts = counts.lock().unwrap();
            counts.sent += 1;
            *(if self.keeps { &mut counts.kept } else { &mut counts.new_connections }) += 1;
            match response {
                Ok(stays_open) => {
                    counts.answered += 1;
                    counts.slowest = counts.slowest.max(due.elapsed());
                    answered.fetch_add(1, Ordering::SeqCst);
                    kept = Some(client).filter(|_| self.keeps && stays_open);
                }
                Err(failure) => counts.failures.push(failure),
            }
        }
    }
}

/// A response that goes on until the API ends it.
pub(crate) struct Stream(TcpStream);

impl Stream {
    pub(crate) fn open(address: &str, token: &str) -> Self {
        let mut stream = Self(Client::connect(address).stream);
        let request = request("/stream", token, "Connection: close\r\n");
        stream.0.write_all(request.as_bytes()).unwrap();
        stream.read_some();
        stream
    }

    pub(crate) fn read_some(&mut self) {
        assert!(self.0.read(&mut [0; 4096]).unwrap() > 0, "the stream ended");
    }

    pub(crate) fn read_to_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the stream was cut");
    }
}

/// A WebSocket whose API echoes what it gets.
pub(crate) struct WebSocket(TcpStream);

impl WebSocket {
    pub(crate) fn open(address: &str, token: &str) -> Self {
        let socket = Client::connect(address).stream;
        let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
        (&socket).write_all(request("/ws", token, handshake).as_bytes()).unwrap();
        let head = read_head(&mut BufReader::with_capacity(1, &socket)).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self(socket)
    }

    pub(crate) fn echo(&mut self) {
        const FRAME: &[u8] = b"\x81\x85\0\0\0\0hello";
        self.0.write_all(FRAME).unwrap();
        let mut echoed = [0; FRAME.len()];
        self.0.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, FRAME);
    }

    pub(crate) fn close(mut self) {
        const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
        self.0.write_all(CLOSE).unwrap();
        let mut echoed = [0; CLOSE.len()];
        self.0.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, CLOSE);
    }
}
