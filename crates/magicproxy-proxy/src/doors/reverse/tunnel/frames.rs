//! The boundaries of WebSocket frames (RFC 6455 section 5.2), so a Close frame stands between two
//! other frames and never inside a frame. The payload of a frame is not inspected.

/// The longest reason in a Close frame, in bytes.
const MAX_CLOSE_REASON: usize = 123;
/// The opcode of a Close frame (RFC 6455 section 5.2).
const CLOSE: u8 = 0x8;
/// The bit of a masked frame, in the second byte of the header.
const MASKED: u8 = 0x80;

/// The sending side of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The client, whose frames are masked.
    Client,
    Server,
}

/// The status code of a Close frame (RFC 6455 section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseCode {
    GoingAway = 1001,
    PolicyViolation = 1008,
}

/// The position of a direction's bytes in the sequence of frames.
#[derive(Debug)]
pub(super) struct FrameScan {
    sender: Sender,
    header: [u8; 14],
    filled: usize,
    /// The rest of the payload of the frame under way, in bytes.
    payload: u64,
    has_closed: bool,
    /// True if the bytes are no frame: nothing is known of the bytes after.
    is_lost: bool,
}

impl FrameScan {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender, header: [0; 14], filled: 0, payload: 0, has_closed: false, is_lost: false }
    }

    /// Follows the bytes that pass next.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            let passed = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
            self.payload -= passed as u64;
            bytes = bytes.get(passed..).unwrap_or_default();
            while self.payload == 0
                && !self.is_lost
                && let Some((byte, rest)) = bytes.split_first()
            {
                bytes = rest;
                self.take(*byte);
            }
        }
    }

    /// True if a frame begins with the next byte.
    pub(super) fn is_between_frames(&self) -> bool {
        !self.is_lost && self.filled == 0 && self.payload == 0
    }

    /// True if a Close frame has begun. No frame may follow.
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Takes the next byte of a frame's header.
    fn take(&mut self, byte: u8) {
        if let Some(route) = self.header.get_mut(self.filled) {
            *route = byte;
        }
        self.filled += 1;
        let [first, second, long @ ..] = self.header;
        if self.filled < 2 {
            return;
        }
        if self.filled == 2 && !is_frame(first, second, self.sender) {
            self.is_lost = true;
            return;
        }
        let mask = if self.sender == Sender::Client { 4 } else { 0 };
        let [a, b, c, d, e, f, g, h, ..] = long;
        let (length_bytes, length) = match second & !MASKED {
            126 => (2, u64::from(u16::from_be_bytes([a, b]))),
            127 => (8, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            short => (0, u64::from(short)),
        };
        if self.filled < 2 + length_bytes + mask {
            return;
        }
        self.has_closed |= first & 0xf == CLOSE;
        self.is_lost = length > i64::MAX as u64;
        (self.filled, self.payload) = (0, length);
    }
}

/// True if a header can begin with these bytes. The bit RSV1 may be set, as by compression.
fn is_frame(first: u8, second: u8, sender: Sender) -> bool {
    let (opcode, is_final) = (first & 0xf, first & 0x80 != 0);
    let known = matches!(opcode, 0..=2 | 8..=10) && first & 0x30 == 0;
    let is_masked = second & MASKED != 0;
    let fits = opcode < CLOSE || is_final && second & !MASKED <= 125;
    known && fits && is_masked == (sender == Sender::Client)
}

/// Makes a Close frame in the form required of this sender.
pub(super) fn close_frame(sender: Sender, code: CloseCode, reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..reason.len().min(MAX_CLOSE_REASON)).unwrap_or_default();
    let payload = [&(code as u16).to_be_bytes(), reason].concat();
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut frame = vec![0x80 | CLOSE, length];
    if sender == Sender::Server {
        frame.extend(payload);
        return frame;
    }
    let mut mask = [0; 4];
    // Without random numbers the mask is zeros, which mask nothing but are a valid mask.
    let _ = aws_lc_rs::rand::fill(&mut mask);
    if let Some(second) = frame.get_mut(1) {
        *second |= MASKED;
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sender: Sender, first: u8, payload: usize) -> Vec<u8> {
        let masked = if sender == Sender::Client { MASKED } else { 0 };
        let mut frame = vec![first];
        match payload {
            0..=125 => frame.push(masked | payload as u8),
            126..=0xffff => {
                frame.extend([&[masked | 126], &(payload as u16).to_be_bytes()[..]].concat())
            }
            _ => frame.extend([&[masked | 127], &(payload as u64).to_be_bytes()[..]].concat()),
        }
        if masked > 0 {
            frame.extend([1, 2, 3, 4]);
        }
        // Looks like a Close frame wherever it is read.
        frame.extend([0x88].repeat(payload));
        frame
    }

    #[test]
    fn frames_end_where_they_end() {
        for sender in [Sender::Client, Sender::Server] {
            for payload in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
                for first in [0x81, 0x02, 0x00, 0x80, 0xc1, 0x41] {
                    let bytes = frame(sender, first, payload);
                    for piece in [1, 3, bytes.len()] {
                        let mut scan = FrameScan::new(sender);
                        let mut passed = 0;
                        for piece in bytes.chunks(piece) {
                            assert_eq!(
                                scan.is_between_frames(),
                                passed == 0,
                                "{first:#x} {payload} {passed}"
                            );
                            scan.read(piece);
                            passed += piece.len();
                        }
                        assert!(
                            scan.is_between_frames() && !scan.has_closed(),
                            "{first:#x} {payload} in {piece}"
                        );
                    }
                    let mut scan = FrameScan::new(sender);
                    scan.read(&[bytes, frame(sender, 0x88, 2), frame(sender, 0x8a, 0)].concat());
                    assert!(scan.is_between_frames() && scan.has_closed());
                }
            }
        }
    }

    #[test]
    fn what_is_no_frame_is_never_between_frames() {
        for bytes in [
            &b"last words"[..],
            &[0x83, 0],
            &[0x91, 0],
            // Masked by the server; a control frame in parts, or too long; a length beyond all
            // lengths.
            &[0x81, 0x80, 0, 0, 0, 0],
            &[0x08, 0],
            &[0x89, 126, 0, 1],
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let mut scan = FrameScan::new(Sender::Server);
            scan.read(bytes);
            scan.read(&[0x81, 0]);
            assert!(!scan.is_between_frames(), "{bytes:?}");
        }
        let mut scan = FrameScan::new(Sender::Client);
        scan.read(&[0x81, 0]);
        assert!(!scan.is_between_frames(), "not masked by the client");
    }

    #[test]
    fn our_own_frames_are_frames() {
        for sender in [Sender::Client, Sender::Server] {
            let long = "x".repeat(300);
            for reason in ["", "the proxy stops", &long] {
                let mut scan = FrameScan::new(sender);
                scan.read(&close_frame(sender, CloseCode::GoingAway, reason));
                assert!(scan.is_between_frames() && scan.has_closed(), "{reason:?}");
            }
        }
        assert_eq!(
            close_frame(Sender::Server, CloseCode::PolicyViolation, "no"),
            b"\x88\x04\x03\xf0no"
        );
        // A control frame holds 125 bytes: RFC 6455 section 5.5.
        for (length, payload) in [(122, 124), (123, 125), (124, 125)] {
            let frame = close_frame(Sender::Server, CloseCode::GoingAway, &"x".repeat(length));
            assert_eq!((frame[1], frame.len()), (payload, usize::from(payload) + 2), "{length}");
        }
    }
}
