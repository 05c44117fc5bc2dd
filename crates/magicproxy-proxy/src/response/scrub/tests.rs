use super::*;

const SECRET: &str = "sekret-credential-0123456789";

fn secret_mask() -> SecretMask {
    SecretMask::new([SECRET.as_bytes()]).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What comes out when `body` comes in chunks of this size.
fn scrubbed(
    mut scrubber: Scrubber,
    body: &[u8],
    size: usize,
) -> Result<Vec<u8>, ReflectedCredential> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        let mut passed = scrubber.push(Bytes::copy_from_slice(chunk))?;
        while passed.is_none() {
            assert!(scrubber.is_busy() && scrubber.held() >= chunk.len());
            passed = scrubber.resume()?;
        }
        out.extend_from_slice(&passed.unwrap());
        assert!(!scrubber.is_busy() && scrubber.held() <= MAX_HELD_BYTES + SECRET.len());
    }
    out.extend_from_slice(&scrubber.finish());
    Ok(out)
}

#[test]
fn masks_plain_bodies_at_every_chunk_size() {
    let body = format!("a{SECRET}{SECRET}b{}", &SECRET[..9]);
    let masked = body.replace(SECRET, &"*".repeat(SECRET.len()));
    for size in 1..body.len() {
        assert_eq!(
            scrubbed(Scrubber::plain(secret_mask()), body.as_bytes(), size).unwrap(),
            masked.as_bytes(),
            "{size}"
        );
    }
}

#[test]
fn ends_gzip_bodies_in_which_the_credential_shows() {
    // Some clients read on behind zeros.
    for between in [&[][..], &[0], &[0; 30]] {
        let body =
            [gzip("nothing here").as_slice(), between, &gzip(&format!("hello {SECRET} there"))]
                .concat();
        for size in 1..body.len() {
            assert!(scrubbed(Scrubber::gzip(secret_mask()), &body, size).is_err(), "{size}");
        }
    }
}

#[test]
fn leaves_other_gzip_bodies_as_they_are() {
    for body in [
        gzip("nothing here"),
        gzip(&format!("{}…", &SECRET[..13])),
        [gzip("a"), gzip(&SECRET[..13])].concat(),
        [gzip("a"), vec![0; 30]].concat(),
    ] {
        for size in 1..body.len() {
            assert_eq!(
                scrubbed(Scrubber::gzip(secret_mask()), &body, size).unwrap(),
                body,
                "{size}"
            );
        }
    }
}

#[test]
fn masks_what_only_calls_itself_gzip() {
    let stars = "*".repeat(SECRET.len());
    for start in [Vec::new(), gzip("a whole stream")] {
        let body = [start.as_slice(), b"then ", SECRET.as_bytes(), b"."].concat();
        let expected = [start.as_slice(), b"then ", stars.as_bytes(), b"."].concat();
        for size in 1..body.len() {
            assert_eq!(
                scrubbed(Scrubber::gzip(secret_mask()), &body, size).unwrap(),
                expected,
                "{size}"
            );
        }
    }
}

/// What of a secret counts for all of it: half, all but 32 bytes, and 12 bytes at least.
fn beginning(secret: &[u8]) -> &[u8] {
    let length = secret.len().div_ceil(2).max(secret.len().saturating_sub(32)).max(12);
    secret.get(..length).unwrap_or(secret)
}

/// Masks every byte that belongs to an occurrence of either secret, or would: what the scrubbers should give, without a stream.
fn naive(secrets: &[&[u8]], text: &[u8]) -> Vec<u8> {
    let mut masked = text.to_vec();
    for secret in secrets {
        for at in (0..text.len()).filter(|at| text[*at..].starts_with(beginning(secret))) {
            masked[at..text.len().min(at + secret.len())].fill(b'*');
        }
    }
    masked
}

#[test]
fn masks_both_forms_wherever_they_meet() {
    // Each begins in the other, holds a part of the other, or begins as the other does.
    let pairs = [
        ("secret/one/two", "secret%2Fone%2Ftwo"),
        ("abcdefgh12345678", "12345678abcdefgh"),
        ("aaaaaaaab", "baaaaaaaa"),
        ("abababab", "babababa"),
        ("inner-secret", "outer-inner-secret-outer"),
    ];
    for (one, other) in pairs {
        let secret_mask = || SecretMask::new([one.as_bytes(), other.as_bytes()]).unwrap();
        let joined = format!("{}{}", &one[..one.len() - 3], other);
        for body in [
            format!("a{one}b{other}c{one}{other}{one}"),
            format!("{joined}{}{one}", &other[..other.len() - 3]),
            format!("{}{}", &one[..7], &other[..7]),
            format!("{one}{}{}", &one[1..], &other[1..]),
            one[..one.len() - 1].to_owned(),
        ] {
            let expected = naive(&[one.as_bytes(), other.as_bytes()], body.as_bytes());
            assert_eq!(
                secret_mask().masked(body.as_bytes()).unwrap_or(body.clone().into_bytes()),
                expected,
                "{body}"
            );
            for size in 1..=body.len() {
                let got = scrubbed(Scrubber::plain(secret_mask()), body.as_bytes(), size).unwrap();
                assert_eq!(got, expected, "{body} in chunks of {size}");
            }
        }
    }
}

#[test]
fn ends_gzip_bodies_in_which_either_form_shows() {
    let secret_mask = || SecretMask::new([SECRET.as_bytes(), b"c2VrcmV0LWNyZWRlbnRpYWw="]).unwrap();
    for shown in [SECRET, "c2VrcmV0LWNyZWRlbnRpYWw="] {
        let body = gzip(&format!("hello {shown} there"));
        for size in 1..body.len() {
            assert!(
                scrubbed(Scrubber::gzip(secret_mask()), &body, size).is_err(),
                "{shown} in chunks of {size}"
            );
        }
    }
    let innocent = gzip(&format!("{} c2VrcmV0LWN", &SECRET[..13]));
    for size in 1..innocent.len() {
        assert_eq!(
            scrubbed(Scrubber::gzip(secret_mask()), &innocent, size).unwrap(),
            innocent,
            "{size}"
        );
    }
}

#[test]
fn a_secret_too_short_is_not_looked_for_beside_one_that_is_not() {
    assert!(SecretMask::new([b"short".as_slice()]).is_none());
    let secret_mask = SecretMask::new([b"short".as_slice(), b"longer-than-that"]).unwrap();
    assert_eq!(secret_mask.masked(b"short longer-than-that").unwrap(), b"short ****************");
}

/// A bomb takes many turns, none of which is long; and what it hides in its last byte is found.
#[test]
fn no_turn_inflates_more_than_a_slice() {
    let text = "a".repeat(8 * 1024 * 1024) + SECRET;
    for (text, found) in [(&text[..8 * 1024 * 1024], false), (&text[..], true)] {
        let body = gzip(text);
        assert!(body.len() < 64 * 1024, "one chunk");
        let mut scrubber = Scrubber::gzip(secret_mask());
        let mut turn = scrubber.push(Bytes::from(body.clone()));
        let mut turns = 1;
        while let Ok(None) = turn {
            let Scrubber::Gzip(inside) = &mut scrubber else { panic!() };
            let seen = inside.sink().unwrap().seen;
            assert!((SLICE_BYTES..=SLICE_BYTES + 2 * 32 * 1024).contains(&seen), "{seen}");
            turn = scrubber.resume();
            turns += 1;
        }
        assert!(turns > 8 * 1024 * 1024 / (SLICE_BYTES + 2 * 32 * 1024), "{turns}");
        match turn {
            Ok(passed) => assert_eq!((passed.unwrap(), found), (Bytes::from(body), false)),
            Err(ReflectedCredential) => assert!(found),
        }
    }
}

/// What comes out of chunks of this size when there is always a moment between them; and whether nothing was held too long.
fn scrubbed_slowly(mut scrubber: Scrubber, body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(&scrubber.push(Bytes::copy_from_slice(chunk)).unwrap().unwrap());
        let held = scrubber.held();
        let end = scrubber.release_short_end();
        assert_eq!(held, end.len() + scrubber.held(), "what is held is counted");
        assert!(!scrubber.holds_short_end() && scrubber.release_short_end().is_empty());
        out.extend_from_slice(&end);
    }
    out.extend_from_slice(&scrubber.finish());
    out
}

/// Of each occurrence, no more may show than the few bytes with which it began: the rest is masked, though they went on before.
#[test]
fn what_makes_a_short_end_the_credential_is_masked() {
    let pairs = [
        (SECRET, "c2VrcmV0LWNyZWRlbnRpYWw="),
        ("powerdns", "cG93ZXJkbnM6eA=="),
        ("aaaaaaaaab", "baaaaaaaaa"),
        ("abababab", "babababa"),
        ("secret/one/two/three", "secret%2Fone%2Ftwo%2Fthree"),
        ("inner-secret-0123456789", "outer-inner-secret-0123456789-outer"),
    ];
    for (one, other) in pairs {
        let secrets = [one.as_bytes(), other.as_bytes()];
        for body in [
            format!("a{one}b{other}c{one}{other}{one}"),
            format!("{}{one}{}{other}", &one[..3], &other[..2]),
            format!("{}{}{}", &one[..1], &one[..2], &one[..4]),
            format!("{}{one}{}", &one[..one.len() - 1], &other[..other.len() - 1]),
        ] {
            let masked = naive(&secrets, body.as_bytes());
            for size in 1..=body.len() {
                let out = scrubbed_slowly(
                    Scrubber::plain(SecretMask::new(secrets).unwrap()),
                    body.as_bytes(),
                    size,
                );
                assert_eq!(out.len(), body.len(), "{body} in chunks of {size}");
                assert_shows_little(&out, (&masked, body.as_bytes()), &secrets);
            }
        }
    }
}

/// Where the output is not masked as it should be, it shows the first bytes of an occurrence, and no more of them than may be.
#[track_caller]
fn assert_shows_little(out: &[u8], (masked, body): (&[u8], &[u8]), secrets: &[&[u8]]) {
    for at in 0..out.len() {
        let begins_near = |secret: &&[u8]| {
            let most = (secret.len() / 4).min(4);
            (0..most)
                .any(|before| at >= before && body[at - before..].starts_with(beginning(secret)))
        };
        let fits =
            out[at] == masked[at] || (out[at] == body[at] && secrets.iter().any(begins_near));
        assert!(
            fits,
            "{} at {at} of {}",
            String::from_utf8_lossy(out),
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn an_end_goes_on_that_is_at_most_four_bytes_and_a_quarter() {
    for (secret, most) in
        [("powerdns", 2), ("elevenchars", 2), ("sixteen-of-these", 4), (SECRET, 4)]
    {
        for gzip in [false, true] {
            for length in 1..beginning(secret.as_bytes()).len() {
                let secret_mask = SecretMask::new([secret.as_bytes()]).unwrap();
                let mut scrubber =
                    if gzip { Scrubber::gzip(secret_mask) } else { Scrubber::plain(secret_mask) };
                let text = format!("!{}", &secret[..length]);
                let mut passed =
                    scrubber.push(Bytes::from(text.clone())).unwrap().unwrap().to_vec();
                assert_eq!(scrubber.holds_short_end(), length <= most, "{secret} {length}");
                passed.extend_from_slice(&scrubber.release_short_end());
                let shown = if length <= most { text.len() } else { 1 };
                assert_eq!(passed, text.as_bytes()[..shown], "{secret} {length}");
            }
        }
    }
}

/// Text in gzip cannot be masked in its middle: it goes on at once where its end is short.
#[test]
fn gzip_goes_on_where_its_text_ends_shortly() {
    for (secret, most) in [("powerdns", 2), (SECRET, 4)] {
        for length in 1..beginning(secret.as_bytes()).len() {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(format!("a text {}", &secret[..length]).as_bytes()).unwrap();
            encoder.flush().unwrap();
            let chunk = Bytes::from(std::mem::take(encoder.get_mut()));
            let mut scrubber = Scrubber::gzip(SecretMask::new([secret.as_bytes()]).unwrap());
            let mut passed = scrubber.push(chunk.clone()).unwrap().unwrap().to_vec();
            passed.extend_from_slice(&scrubber.release_short_end());
            assert_eq!(passed == chunk, length <= most, "{secret} {length}");
            // All of it, behind what was shown: the body ends.
            encoder.write_all(&secret.as_bytes()[length..]).unwrap();
            encoder.flush().unwrap();
            assert!(
                scrubber.push(Bytes::from(std::mem::take(encoder.get_mut()))).is_err(),
                "{secret} {length}"
            );
        }
    }
}

/// The pieces that come out of pieces that go in, with a moment behind each or without, and where it is cut off.
fn pieces(
    mut scrubber: Scrubber,
    body: &[Vec<u8>],
    waits: impl Fn(usize) -> bool,
) -> Vec<Option<Bytes>> {
    let mut out = Vec::new();
    for (number, piece) in body.iter().enumerate() {
        match scrubber.push(Bytes::from(piece.clone())) {
            Ok(passed) => out.push(passed),
            Err(ReflectedCredential) => return [out, vec![None]].concat(),
        }
        if waits(number) {
            out.push(Some(scrubber.release_short_end()));
        }
    }
    out.push(Some(scrubber.finish()));
    out
}

/// Whoever has an API repeat guesses sees the same whatever the end of the secret is: it is never compared.
#[test]
fn nothing_that_is_seen_depends_on_the_end_of_a_secret() {
    for secret in
        ["sixteen-of-these", "twenty-four-of-these-123", SECRET, &"0123456789abcdef".repeat(8)]
    {
        let known = beginning(secret.as_bytes()).len();
        let other = format!("{}{}", &secret[..known], "#".repeat(secret.len() - known));
        let secret_mask = |secret: &str| SecretMask::new([secret.as_bytes()]).unwrap();
        for right in known..=secret.len() {
            let guess = format!("{}{}", &secret[..right], "#".repeat(secret.len() - right));
            for (split, waits) in (1..guess.len()).flat_map(|split| [(split, false), (split, true)])
            {
                let parts = [&guess[..split], &guess[split..], " and more"]
                    .map(|part| part.as_bytes().to_vec());
                let seen =
                    |secret: &str| pieces(Scrubber::plain(secret_mask(secret)), &parts, |_| waits);
                assert_eq!(seen(secret), seen(&other), "{guess} in {split}");
            }
            assert_eq!(
                secret_mask(secret).masked(guess.as_bytes()),
                secret_mask(&other).masked(guess.as_bytes()),
                "{guess}"
            );
            // Compressed, it is cut off, at the same place.
            let body = gzip(&guess).chunks(1).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let seen = |secret: &str| pieces(Scrubber::gzip(secret_mask(secret)), &body, |_| false);
            assert_eq!(seen(secret), seen(&other), "{guess}");
        }
    }
}

/// A beginning that somebody had put before an echo does not uncover the end of that.
#[test]
fn nothing_planted_before_the_credential_uncovers_it() {
    for secret in ["powerdns", "abababab", "aaaaaaaab", SECRET] {
        for planted in 1..=secret.len() {
            for between in 0..secret.len() {
                let body = format!("{}{}{secret}.", &secret[..planted], "x".repeat(between));
                let masked = naive(&[secret.as_bytes()], body.as_bytes());
                assert!(
                    masked[planted + between..].starts_with("*".repeat(secret.len()).as_bytes())
                );
                let secret_mask = || SecretMask::new([secret.as_bytes()]).unwrap();
                assert_eq!(secret_mask().masked(body.as_bytes()).unwrap(), masked, "{body}");
                for size in [1, 2, 3, 7, body.len()] {
                    assert_eq!(
                        scrubbed(Scrubber::plain(secret_mask()), body.as_bytes(), size).unwrap(),
                        masked,
                        "{body} in {size}"
                    );
                }
            }
        }
    }
}
