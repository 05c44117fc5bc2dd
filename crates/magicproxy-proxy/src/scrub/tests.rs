use super::*;

const SECRET: &str = "sekret-credential-0123456789";

fn needle() -> Needle {
    let credential = Credential::parse(Zeroizing::new(SECRET.to_owned())).unwrap();
    Needle::new(&credential).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What comes out when `body` comes in chunks of this size.
fn scrubbed(mut scrubber: Scrubber, body: &[u8], size: usize) -> Result<Vec<u8>, Reflected> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(&scrubber.push(Bytes::copy_from_slice(chunk))?);
        assert!(scrubber.held() <= MAX_HELD_BYTES + SECRET.len());
    }
    out.extend_from_slice(&scrubber.finish());
    Ok(out)
}

#[test]
fn masks_plain_bodies_at_every_chunk_size() {
    let body = format!("a{SECRET}{SECRET}b{}", &SECRET[..9]);
    let masked = body.replace(SECRET, &"*".repeat(SECRET.len()));
    for size in 1..body.len() {
        assert_eq!(scrubbed(Scrubber::plain(needle()), body.as_bytes(), size).unwrap(), masked.as_bytes(), "{size}");
    }
}

#[test]
fn ends_gzip_bodies_in_which_the_credential_shows() {
    let body = [gzip("nothing here"), gzip(&format!("hello {SECRET} there"))].concat();
    for size in 1..body.len() {
        assert!(scrubbed(Scrubber::gzip(needle()), &body, size).is_err(), "{size}");
    }
}

#[test]
fn leaves_other_gzip_bodies_as_they_are() {
    for body in [gzip("nothing here"), gzip(&format!("{}…", &SECRET[..20])), [gzip("a"), gzip(&SECRET[..20])].concat()] {
        for size in 1..body.len() {
            assert_eq!(scrubbed(Scrubber::gzip(needle()), &body, size).unwrap(), body, "{size}");
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
            assert_eq!(scrubbed(Scrubber::gzip(needle()), &body, size).unwrap(), expected, "{size}");
        }
    }
}
