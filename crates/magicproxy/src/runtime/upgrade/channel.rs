//! The channel between a process and its successor: a pair of Unix sockets, of which the successor's
//! is its standard input. `upgrade.md` section 2.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::store_calls::{StoreCall, StoreReply};

/// The version of the messages. Processes with different versions do not take over from each other.
pub(super) const PROTOCOL: u32 = 1;
/// The most sockets that are handed over.
pub(super) const MAX_SOCKETS: usize = 256;
/// The longest message.
const MAX_MESSAGE: u32 = 64 * 1024 * 1024;

/// A message of either process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The predecessor's first message; one byte with a descriptor follows for each socket.
    Sockets { protocol: u32, version: String, sockets: Vec<SocketDescription> },
    /// The successor has read and checked everything, and would open this file of a state store.
    Prepared { store: Option<String> },
    /// The predecessor has the file of the state store open no longer.
    Released { store: bool },
    /// The successor serves, on these addresses among those handed over.
    Serving { taken: Vec<String> },
    /// The successor ends, because of this fault.
    Failed { reason: String },
    /// The predecessor accepts no more connections; the successor is the service's main process.
    Replaced,
    /// A call on the state store, for a request that the predecessor still serves.
    Call(StoreCall),
    /// The result of the call.
    Reply(StoreReply),
}

/// A listening socket, described beside its descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SocketDescription {
    /// The address, as the predecessor's configuration has it.
    pub(super) listen: String,
    /// Device and inode of the Unix socket's file, if the process takes the file away at its end.
    pub(super) file: Option<(u64, u64)>,
}

impl Message {
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        let length = u32::try_from(text.len()).ok().filter(|length| *length <= MAX_MESSAGE);
        let length = length.ok_or(io::ErrorKind::InvalidData)?;
        Ok([length.to_be_bytes().as_slice(), &text].concat())
    }

    fn of(text: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(text)?)
    }

    /// Writes the message, in the current thread.
    pub(super) fn write(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.write_all(&self.bytes()?)
    }

    /// Reads a message, in the current thread.
    pub(super) fn read(mut stream: &UnixStream) -> io::Result<Self> {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut text = vec![0; bounded(length)?];
        stream.read_exact(&mut text)?;
        Self::of(&text)
    }

    /// Writes the message.
    pub(super) async fn send(&self, stream: &mut tokio::net::UnixStream) -> io::Result<()> {
        stream.write_all(&self.bytes()?).await
    }

    /// Reads a message. The end of the other process is an error.
    pub(super) async fn receive(stream: &mut tokio::net::UnixStream) -> io::Result<Self> {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let mut text = vec![0; bounded(length)?];
        stream.read_exact(&mut text).await?;
        Self::of(&text)
    }
}

fn bounded(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(length);
    let bounded = usize::try_from(length).ok().filter(|_| length <= MAX_MESSAGE);
    bounded.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Sends a descriptor, beside one byte.
pub(super) fn send_descriptor(stream: &UnixStream, socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a descriptor, closed in programs that this process starts.
pub(super) fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_socket_that_was_handed_over_is_the_same_socket() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let sockets = vec![SocketDescription { listen: "127.0.0.1:0".to_owned(), file: None }];
        let first = Message::Sockets { protocol: PROTOCOL, version: "1".to_owned(), sockets };
        first.write(&ours).unwrap();
        send_descriptor(&ours, listening.as_fd()).unwrap();
        Message::Released { store: true }.write(&ours).unwrap();
        // One that waits at the socket is not lost, though its first owner closes.
        let _waiting = TcpStream::connect(address).unwrap();
        drop((listening, ours));
        assert!(matches!(Message::read(&theirs).unwrap(), Message::Sockets { .. }));
        let received: TcpListener = receive_descriptor(&theirs).unwrap().into();
        assert_eq!(received.local_addr().unwrap(), address);
        received.accept().unwrap();
        assert!(matches!(Message::read(&theirs).unwrap(), Message::Released { store: true }));
        assert_eq!(Message::read(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in
            [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{}", b"\0\0\0\x03abc", b"\0\0\0\x09{\"x\""]
        {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert!(Message::read(&theirs).is_err(), "{bytes:?}");
        }
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"x").unwrap();
        assert!(receive_descriptor(&theirs).is_err(), "a byte without a descriptor");
    }
}
