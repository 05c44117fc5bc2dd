//! The stages together: nothing of the credential, all of the body, in whatever pieces it comes.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::response::rewrite::{LinkMap, Members, Rewriting};

const SECRET: &str = "sekret-credential-0123456789";
const FROM: &str = "https://api.example";
const TO: &str = "http://127.0.0.1:5000/mount";

fn secret_mask() -> Option<SecretMask> {
    needle_of(SECRET)
}

fn needle_of(secret: &str) -> Option<SecretMask> {
    SecretMask::new([secret.as_bytes()])
}

fn rewriting() -> Rewriting {
    let links = LinkMap::new([(FROM, TO)]).following(Arc::new(Members::parse(["**"]).unwrap()));
    Rewriting { links: Arc::new(links), asked: None }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The piece that is there at once.
fn piece(next: Result<PipelineOutput, BodyError>) -> Option<Bytes> {
    match next.unwrap() {
        PipelineOutput::Piece(piece) => Some(piece),
        PipelineOutput::Nothing => None,
        PipelineOutput::Busy => panic!("it is busy"),
    }
}

/// Runs a body through, in pieces of this size. `known`: does the last piece come with the news that it is the last?
fn run(
    mut pipeline: Pipeline,
    body: &[u8],
    size: usize,
    known: bool,
) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let mut take = |pipeline: &mut Pipeline, ended| -> Result<(), BodyError> {
        loop {
            match pipeline.next(ended)? {
                PipelineOutput::Piece(piece) => {
                    assert!(!piece.is_empty() && piece.len() <= 256 * 1024);
                    out.extend_from_slice(&piece);
                }
                PipelineOutput::Busy => assert!(!pipeline.is_empty()),
                PipelineOutput::Nothing => return Ok(()),
            }
        }
    };
    let pieces = body.len().div_ceil(size);
    for (at, piece) in body.chunks(size).enumerate() {
        pipeline.push(Bytes::copy_from_slice(piece));
        take(&mut pipeline, known && at + 1 == pieces)?;
    }
    take(&mut pipeline, true)?;
    assert!(pipeline.is_empty());
    Ok(out)
}

#[track_caller]
fn check(make: impl Fn() -> Pipeline, body: &[u8], expected: &str) {
    for size in 1..=body.len() {
        for known in [true, false] {
            let out = run(make(), body, size, known).unwrap();
            assert_eq!(String::from_utf8_lossy(&out), expected, "{size} {known}");
        }
    }
}

#[test]
fn a_credential_in_a_url_is_masked_and_the_url_rewritten() {
    let text = format!(
        "{{\"a\":\"{FROM}/?t={SECRET}\", \"{SECRET}\": \"{FROM}{SECRET}\", \"b\":\"{FROM}\"}}"
    );
    let expected = text
        .replace(SECRET, &"*".repeat(SECRET.len()))
        .replace(&format!("\"{FROM}/"), &format!("\"{TO}/"));
    let expected = expected.replace(&format!("\"{FROM}\""), &format!("\"{TO}\""));
    check(
        || Pipeline::new(Coding::Identity, secret_mask(), BodyPlan::Rewrite(rewriting())),
        text.as_bytes(),
        &expected,
    );
    check(
        || Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting())),
        &gzip(text.as_bytes()),
        &expected,
    );
    check(|| Pipeline::new(Coding::Gzip, None, BodyPlan::Inflate(rewriting())), &gzip(b"{}"), "{}");
}

#[test]
fn a_credential_that_is_a_url_is_masked_before_it_could_be_rewritten() {
    let before = format!("{FROM}/user");
    let text = format!("[\"{FROM}/user\",\"{FROM}/users\"]");
    let expected = text.replace(&before, &"*".repeat(before.len()));
    check(
        || Pipeline::new(Coding::Identity, needle_of(&before), BodyPlan::Rewrite(rewriting())),
        text.as_bytes(),
        &expected,
    );
}

#[test]
fn what_is_held_back_as_a_beginning_of_the_credential_is_rewritten_too() {
    let text = format!("[\"{FROM}/user\"]");
    let secret_mask = || needle_of("/user\"]-and-more");
    let expected = format!("[\"{TO}/user\"]");
    check(
        || Pipeline::new(Coding::Identity, secret_mask(), BodyPlan::Rewrite(rewriting())),
        text.as_bytes(),
        &expected,
    );
    check(
        || Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting())),
        &gzip(text.as_bytes()),
        &expected,
    );
}

#[test]
fn the_last_piece_takes_along_what_was_held_back() {
    let half = &SECRET[..9];
    for plan in [BodyPlan::Keep, BodyPlan::Rewrite(rewriting())] {
        let mut pipeline = Pipeline::new(Coding::Identity, secret_mask(), plan);
        pipeline.push(Bytes::from(format!("\"x\": {half}")));
        assert_eq!(piece(pipeline.next(true)).unwrap(), format!("\"x\": {half}"));
        assert!(pipeline.is_empty());
        assert_eq!(piece(pipeline.next(true)), None);
    }
}

#[test]
fn lengths_are_promised_only_where_they_are_known() {
    let body = Bytes::from_static(b"[]");
    for (plan, held) in [
        (BodyPlan::Keep, Some(2)),
        (BodyPlan::Rewrite(rewriting()), None),
        (BodyPlan::Inflate(rewriting()), None),
    ] {
        let mut pipeline = Pipeline::new(Coding::Identity, None, plan);
        pipeline.push(body.clone());
        assert_eq!(pipeline.held(), held);
    }
}

#[test]
fn without_stages_bytes_pass_as_they_are() {
    let body = Bytes::from(vec![7; 100_000]);
    let mut pipeline = Pipeline::default();
    assert!(pipeline.is_empty());
    pipeline.push(body.clone());
    assert_eq!(piece(pipeline.next(false)).unwrap().as_ptr(), body.as_ptr());
    assert_eq!(piece(pipeline.next(true)), None);
}

#[test]
fn gzip_that_is_none_is_an_error_and_an_empty_body_is_not() {
    let whole = gzip(b"{\"a\": \"https://api.example/x\"}");
    for body in [b"{\"a\": 1}".as_slice(), &whole[..whole.len() - 1], &[&whole[..], b"{}"].concat()]
    {
        for size in [1, body.len()] {
            let pipeline =
                Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting()));
            assert!(matches!(run(pipeline, body, size, true), Err(BodyError::NotGzip(_))));
        }
    }
    // Zeros behind a member are no more than filling.
    for body in [[&whole[..], &[0; 9]].concat(), [&gzip(b"")[..], &[0], &whole, &[0; 600]].concat()]
    {
        for size in [1, 7, body.len()] {
            let pipeline =
                Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting()));
            let plain = Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting()));
            assert_eq!(
                run(pipeline, &body, size, true).unwrap(),
                run(plain, &whole, size, true).unwrap()
            );
        }
    }
    for body in [[&whole[..], &[0], b"{}"].concat(), [&whole[..], &[0], &whole[..9]].concat()] {
        let pipeline = Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting()));
        assert!(matches!(run(pipeline, &body, 1, true), Err(BodyError::NotGzip(_))));
    }
    let mut empty = Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting()));
    assert_eq!(piece(empty.next(true)), None);
}

#[test]
fn a_bomb_does_not_take_memory() {
    // 32 MiB of openers in 50 KiB: each piece is bounded (see `run`), whatever is done with it.
    let bomb = gzip("\"https://api.example/\", ".repeat((32 << 20) / 24).as_bytes());
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let out = run(
        Pipeline::new(Coding::Gzip, secret_mask(), BodyPlan::Inflate(rewriting())),
        &bomb,
        bomb.len(),
        true,
    )
    .unwrap();
    assert_eq!(out.len(), (32 << 20) / 24 * (24 + TO.len() - FROM.len()));
}

#[test]
fn digests_in_trailers_go_where_the_body_changes() {
    for (plan, left) in [(BodyPlan::Keep, 2), (BodyPlan::Rewrite(rewriting()), 1)] {
        let mut trailers = HeaderMap::new();
        trailers.insert("content-digest", http::HeaderValue::from_static("x"));
        trailers.insert("x-checked", http::HeaderValue::from_static("x"));
        Pipeline::new(Coding::Identity, None, plan).filter_trailers(&mut trailers);
        assert_eq!(trailers.len(), left);
    }
}
