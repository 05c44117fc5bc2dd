//! Helpers of several fuzz targets: one key ring for the life of the process, a signature over any
//! bytes, and bodies in pieces.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use magicproxy_core::{KeyRing, PrivateKey, RequestTarget};
use magicproxy_proxy::rewrite::{JsonRewriter, LinkMap};

/// Returns a ring of one key, made anew for each process. No private key lies in the repository,
/// and repeating a finding needs none, because inputs are signed here.
pub fn ring() -> &'static KeyRing {
    static RING: OnceLock<KeyRing> = OnceLock::new();
    RING.get_or_init(|| {
        let key = PrivateKey::generate(2048).expect("a key can be made");
        KeyRing::new(key, Vec::new()).expect("one key is a ring")
    })
}

/// Returns a compact JWS (RFC 7515) over any header and any payload, signed by the ring's key.
pub fn signed(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let pair = pair();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .expect("signing works");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature))
}

fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let text = ring().active().to_pem().expect("the key can be written");
        let der = pem::parse(text.as_bytes()).expect("what was written is PEM");
        KeyPair::from_pkcs8(der.contents()).expect("what was written is PKCS#8")
    })
}

/// Parses a target of the default kind, for a policy's decision; `None` if the path is refused.
pub fn target(path: &str) -> Option<RequestTarget> {
    RequestTarget::parse(path.as_bytes(), magicproxy_core::EncodedSlash::Refuse).ok()
}

/// Rewrites a body that comes in pieces of `size` bytes, and returns the whole result.
pub fn rewritten(links: &Arc<LinkMap>, body: &[u8], size: usize) -> Vec<u8> {
    let mut rewriter = JsonRewriter::new(Arc::clone(links));
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        out.extend_from_slice(&rewriter.push(Bytes::copy_from_slice(piece)));
        assert!(rewriter.held() < 8192);
    }
    out.extend_from_slice(&rewriter.finish());
    out
}
