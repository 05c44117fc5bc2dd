//! Inflating: in bounded pieces, all of it, or an error.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::http::body::GzipError;

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// What comes out when `body` comes in pieces of this size, and the largest piece of that.
fn inflated(body: &[u8], size: usize) -> Result<(Vec<u8>, usize), GzipError> {
    let mut inflater = Inflater::new();
    let mut out = Vec::new();
    let mut largest = 0;
    let mut take = |piece: Bytes| {
        largest = largest.max(piece.len());
        out.extend_from_slice(&piece);
    };
    for piece in body.chunks(size) {
        inflater.push(Bytes::copy_from_slice(piece));
        while let Some(piece) = inflater.next()? {
            take(piece);
        }
    }
    if let Some(piece) = inflater.finish()? {
        take(piece);
    }
    Ok((out, largest))
}

#[test]
fn inflates_members_in_any_division() {
    for body in [vec![gzip(b"one")], vec![gzip(b"one"), gzip(b""), gzip(b"two")], vec![]] {
        let body = body.concat();
        let expected: &[u8] = if body.is_empty() {
            b""
        } else if body.len() < 40 {
            b"one"
        } else {
            b"onetwo"
        };
        for size in 1..=body.len().max(1) {
            assert_eq!(inflated(&body, size).unwrap().0, expected, "{size}");
        }
    }
}

#[test]
fn gives_at_once_what_was_flushed() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut inflater = Inflater::new();
    let mut sent = 0;
    for length in [1, 100, 40_000, 65_536, 200_000] {
        let line = "x".repeat(length);
        encoder.write_all(line.as_bytes()).unwrap();
        encoder.flush().unwrap();
        inflater.push(Bytes::copy_from_slice(&encoder.get_ref()[sent..]));
        sent = encoder.get_ref().len();
        let mut out = 0;
        while let Some(piece) = inflater.next().unwrap() {
            out += piece.len();
        }
        assert_eq!(out, length);
    }
}

#[test]
fn a_bomb_comes_in_small_pieces() {
    let bomb = gzip(&vec![b'0'; 64 << 20]);
    assert!(bomb.len() < 100_000);
    for size in [bomb.len(), 1000] {
        let (out, largest) = inflated(&bomb, size).unwrap();
        assert_eq!(out.len(), 64 << 20);
        assert!(largest <= 128 * 1024, "{largest}");
    }
}

#[test]
fn what_is_not_whole_is_an_error() {
    let whole = gzip(b"{\"a\": 1, \"some\": \"more\"}");
    let flipped = |at: usize| {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        bad
    };
    let mut odd: Vec<Vec<u8>> = (1..whole.len()).map(|end| whole[..end].to_vec()).collect();
    odd.extend([
        b"{}".to_vec(),
        b"\x1f".to_vec(),
        flipped(0),
        flipped(2),
        flipped(whole.len() - 1),
        flipped(whole.len() - 8),
    ]);
    odd.extend([
        [whole.as_slice(), b"x"].concat(),
        [&whole[..], &whole[..12]].concat(),
        [whole.as_slice(), b"\0x"].concat(),
    ]);
    for body in odd {
        for size in [1, 3, body.len()] {
            assert_eq!(inflated(&body, size), Err(GzipError), "{body:?} by {size}");
        }
    }
}

#[test]
fn a_header_without_end_is_an_error() {
    let header = [b"\x1f\x8b\x08\x08\0\0\0\0\0\x03".as_slice(), &vec![b'n'; 200_000]].concat();
    assert_eq!(inflated(&header, 1000), Err(GzipError));
}
