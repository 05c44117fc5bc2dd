//! Connections by HTTP/2 to the upstream: windows that no stream can hold for itself, and no more streams than the upstream allows.
//!
//! A client that does not read its response stops its own stream when that stream's window is full. The connection's window has
//! room for all windows of streams, so that each new one still has its own.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::connect::handshake_failure;
use super::connection::{Multiplexed, Streams};
use super::failure::{ConnectFailure, ConnectFault};
use crate::body::RequestBody;

/// What the upstream may send of a response that nobody reads: as much as of one by HTTP/1.1.
const STREAM_WINDOW: u32 = 128 * 1024;
/// The largest window there is: RFC 9113 section 6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// Makes a connection of at most so many streams. It is there when the upstream has said how many it allows: a request beyond those
/// would wait inside of the HTTP library, and be sent after it was given up.
pub(super) async fn http2_connection<S>(stream: S, most: usize) -> Result<Multiplexed, ConnectFailure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let tasks = Tasks::default();
    let window = u32::try_from(most).unwrap_or(u32::MAX).saturating_mul(STREAM_WINDOW).min(LARGEST_WINDOW);
    let mut builder = http2::Builder::new(tasks.clone());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES)
        // Until the upstream has spoken.
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| handshake_failure(&error))?;
    let streams = Arc::<Streams>::default();
    let (agreed, agreement) = oneshot::channel();
    let driver = Driver { streams: Arc::clone(&streams), most, tasks, agreed: Some(agreed) };
    tokio::spawn(driver.drive(connection));
    agreement.await.map_err(|_| ConnectFailure::new(ConnectFault::Terminated))?;
    Ok(Multiplexed::new(sender, streams))
}

/// Runs a connection, and tells how many streams it may have.
struct Driver {
    streams: Arc<Streams>,
    most: usize,
    tasks: Tasks,
    agreed: Option<oneshot::Sender<()>>,
}

impl Driver {
    async fn drive<S>(mut self, connection: http2::Connection<TokioIo<S>, RequestBody, Tasks>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut connection = pin!(connection);
        let ended = std::future::poll_fn(|context| {
            if self.agreed.is_some() {
                self.tasks.wakes(context);
            }
            let polled = connection.as_mut().poll(context);
            self.note_limit(connection.current_max_send_streams());
            polled
        });
        if let Err(error) = ended.await {
            tracing::debug!(target: "magicproxy::upstream", %error, "a connection to the upstream ended");
        }
    }

    fn note_limit(&mut self, allowed: usize) {
        self.streams.set_limit(allowed.min(self.most));
        if allowed > 0
            && let Some(agreed) = self.agreed.take()
        {
            self.tasks.wakes_nobody();
            let _ = agreed.send(());
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.streams.end_all();
    }
}

/// Runs the HTTP library's tasks of one connection. Only they see what the upstream allows, and they do not say so: whoever waits
/// for it is woken after each step.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Option<Waker>>>);

impl Tasks {
    fn wakes(&self, context: &Context<'_>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
    }

    fn wakes_nobody(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn poll<F: Future>(&self, task: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
        let polled = task.poll(context);
        let woken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = woken {
            waker.wake();
        }
        polled
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let tasks = self.clone();
        tokio::spawn(async move {
            let mut task = pin!(task);
            std::future::poll_fn(|context| tasks.poll(task.as_mut(), context)).await;
        });
    }
}
