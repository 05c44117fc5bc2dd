//! Connections to the admin listener: few, short and bounded, each with one request
//! (`docs/spec/admin.md` section 2).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::task::{AbortHandle, JoinSet};

use super::AdminParts;
use super::access::AccessAddress;
use super::response::{Form, PageResponse, ResponseContent};

/// The most connections to one address of the listener.
const MOST: usize = 64;
/// The longest time until the head of a request is complete.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// The longest life of a connection of TCP.
const TCP_TIME: Duration = Duration::from_secs(15);
/// The longest life of a connection of a Unix socket, on which operations take their time.
const SOCKET_TIME: Duration = Duration::from_secs(3_600);
/// The most bytes of a head. Some 8 KiB are usual elsewhere.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_FIELDS: usize = 64;
/// The most bytes of the content of a request, which no page looks at.
const LARGEST_CONTENT: usize = 4 * 1024;
/// The pause in accepting after a failure, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);
/// The time for the responses in progress at the end.
const GOING: Duration = Duration::from_secs(1);

/// A socket of the admin listener.
#[derive(Debug)]
pub(super) enum AdminSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// One address of the admin listener, with its connections.
pub(super) struct AdminAddress {
    pub(super) socket: AdminSocket,
    pub(super) access: AccessAddress,
}

/// A connection in progress.
struct OpenConnection {
    task: AbortHandle,
    /// True once its request has come whole.
    is_asking: Arc<AtomicBool>,
}

impl AdminAddress {
    /// Serves until `end` is done, and then the requests in progress for a moment more.
    pub(super) async fn serve(self, parts: Arc<AdminParts>, end: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        let mut open: Vec<OpenConnection> = Vec::new();
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => break,
                Some(_) = tasks.join_next() => continue,
                accepted = self.accept() => accepted,
            };
            let Ok(stream) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if make_room(&mut open) {
                let is_asking = Arc::<AtomicBool>::default();
                let service = PageService {
                    parts: Arc::clone(&parts),
                    access: self.access,
                    is_asking: Arc::clone(&is_asking),
                };
                open.push(OpenConnection { task: tasks.spawn(stream.serve(service)), is_asking });
            }
        }
        drop(self.socket);
        let going = async { while tasks.join_next().await.is_some() {} };
        // What is not answered by then is broken off with the tasks.
        let _ = tokio::time::timeout(GOING, going).await;
    }

    async fn accept(&self) -> io::Result<AdminStream> {
        match &self.socket {
            AdminSocket::Tcp(socket) => {
                socket.accept().await.map(|(stream, _)| AdminStream::Tcp(stream))
            }
            #[cfg(unix)]
            AdminSocket::Unix(socket) => {
                socket.accept().await.map(|(stream, _)| AdminStream::Unix(stream))
            }
        }
    }
}

/// Makes room for one more connection: the oldest one whose request has not come whole makes way.
/// Returns false if every connection is being answered.
fn make_room(open: &mut Vec<OpenConnection>) -> bool {
    open.retain(|connection| !connection.task.is_finished());
    if open.len() < MOST {
        return true;
    }
    let idle = |connection: &OpenConnection| !connection.is_asking.load(Ordering::Acquire);
    let Some(at) = open.iter().position(idle) else { return false };
    open.remove(at).task.abort();
    true
}

/// A connected stream.
enum AdminStream {
    Tcp(tokio::net::TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

impl AdminStream {
    async fn serve(self, service: PageService) {
        match self {
            Self::Tcp(stream) => within(TCP_TIME, stream, service).await,
            #[cfg(unix)]
            Self::Unix(stream) => within(SOCKET_TIME, stream, service).await,
        }
    }
}

/// Serves one request on the stream.
async fn within<S>(time: Duration, stream: S, service: PageService)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Arc::new(service);
    let respond = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.respond(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .keep_alive(false)
        .half_close(true)
        .max_headers(MOST_FIELDS)
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(LARGEST_HEAD);
    let serving = builder.serve_connection(TokioIo::new(stream), respond);
    let ended = tokio::time::timeout(time, serving).await;
    if let Ok(Err(error)) = ended {
        tracing::debug!(name: "connection_ended", target: "magicproxy::serve", %error, "a connection ended");
    }
}

/// The pages, for one connection.
struct PageService {
    parts: Arc<AdminParts>,
    access: AccessAddress,
    is_asking: Arc<AtomicBool>,
}

impl PageService {
    async fn respond(&self, request: Request<Incoming>) -> Response<ResponseContent> {
        let (head, content) = request.into_parts();
        if !content.is_end_stream()
            && Limited::new(content, LARGEST_CONTENT).collect().await.is_err()
        {
            let why = format!("content of more than {LARGEST_CONTENT} bytes, or cut short");
            let refusal =
                PageResponse::refusal(Form::of(&head), StatusCode::PAYLOAD_TOO_LARGE, &why);
            return refusal.into_response();
        }
        self.is_asking.store(true, Ordering::Release);
        self.parts.respond(&head, self.access).await.into_response()
    }
}
