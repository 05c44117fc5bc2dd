//! Who may mint and with which keys, from the command line: what is accepted is told, and what would be refused is not minted.

use crate::program::{Place, SECRET};
use crate::sealed::Proxy;

fn mint(place: &Place, to: &str, more: &[&str]) -> crate::program::Output {
    let fixed = [
        "mint",
        "--to",
        to,
        "--aud",
        "127.0.0.1:1",
        "--credential-env",
        "SECRET",
        "--allow",
        "GET /user",
    ];
    place.program(&[&fixed, more].concat()).env("SECRET", SECRET).output()
}

/// A place with keys and the key of a minter, whose public half is in `known.jwk`.
fn place(config: &str) -> Place {
    let place = Place::with_keys();
    let made = place.program(&["keys", "minter", "--out", "minter.jwk"]).output();
    place.write("known.jwk", &made.stdout);
    place.write("magicproxy.toml", &format!("{config}\nkeys.folder = 'keys'\n"));
    place
}

fn check(place: &Place) -> crate::program::Output {
    place.program(&["config", "check"]).output()
}

#[test]
fn config_check_says_who_may_mint_and_mint_makes_nothing_that_is_refused() {
    let place = place("tokens.minters = ['known.jwk']");
    let checked = check(&place);
    assert!(
        checked.code == 0 && checked.stdout.contains("accepts no version 1: minting is closed"),
        "{checked:?}"
    );
    assert!(checked.stdout.contains("only the listed minter may seal a token ("), "{checked:?}");
    let json: serde_json::Value =
        serde_json::from_str(&place.program(&["config", "check", "--json"]).output().stdout)
            .unwrap();
    assert_eq!(json["accepts"][0]["http_mint"], "closed", "{json}");
    assert_eq!(json["accepts"][0]["accepts"]["versions"], serde_json::json!(["v2"]), "{json}");
    let offline = ["mint", "--allow", "GET /user", "--credential-env", "SECRET"];
    let refused = place.program(&offline).env("SECRET", SECRET).output();
    assert!(
        refused.code == 2
            && refused.stderr.contains("accepts no tokens of version 1")
            && refused.stdout.is_empty(),
        "{refused:?}"
    );
    place.write(
        "magicproxy.toml",
        "tokens.minters = ['known.jwk']\ntokens.accept = ['v1', 'v2']\nkeys.folder = 'keys'\n",
    );
    assert_eq!(place.program(&offline).env("SECRET", SECRET).output().code, 0);
    place.write(
        "magicproxy.toml",
        "tokens.minters = ['known.jwk']\nmint.policy = 'open'\nkeys.folder = 'keys'\n",
    );
    let fault = check(&place);
    assert!(fault.code == 78 && fault.stderr.contains("mint.policy `open`"), "{fault:?}");
}

#[test]
fn mint_refuses_what_the_key_set_says_is_refused() {
    let place = place(
        "tokens.minters = ['known.jwk']\ntokens.kems = ['x-wing']\ntokens.max_lifetime = '2h'",
    );
    let exported = place.program(&["keys", "export-public", "--jwks"]).output();
    assert!(exported.code == 0 && !exported.stdout.contains("X25519"), "{exported:?}");
    place.write("proxy.jwks", &exported.stdout);
    let listed = place.program(&["keys", "list"]).output();
    assert!(
        listed.stdout.contains("refused  x25519") && listed.stdout.contains("active   x-wing"),
        "{listed:?}"
    );
    let proxy = Proxy::serve(&place, "keys");
    for to in ["proxy.jwks", proxy.url.as_str()] {
        let signed = mint(&place, to, &["--minter-key", "minter.jwk"]);
        // The kind that is accepted, and a lifetime that is.
        assert_eq!(signed.code, 0, "{signed:?}");
        let token = signed.stdout.trim();
        let shown = place.program(&["inspect", token]).output();
        assert!(shown.code == 0 && shown.stdout.contains("x-wing"), "{shown:?}");
        for (more, expected) in [
            (vec![], "only tokens of listed minters are accepted"),
            (vec!["--minter-key", "minter.jwk", "--expires-in", "3h"], "longer than 7200 seconds"),
            (
                vec!["--minter-key", "minter.jwk", "--kem", "x25519"],
                "there is no key of the kind `x25519`",
            ),
        ] {
            let refused = mint(&place, to, &more);
            assert!(
                refused.code == 2 && refused.stderr.contains(expected) && refused.stdout.is_empty(),
                "{to} {more:?}: {refused:?}"
            );
        }
        let other = place.program(&["keys", "minter", "--out", "other.jwk"]).output();
        assert_eq!(other.code, 0);
        let refused = mint(&place, to, &["--minter-key", "other.jwk"]);
        assert!(
            refused.code == 2 && refused.stderr.contains("is not one of theirs"),
            "{refused:?}"
        );
        std::fs::remove_file(place.path("other.jwk")).unwrap();
    }
}

/// Where no minter is listed, a signature is that of an unknown one, and refused.
#[test]
fn nobody_signs_for_an_upstream_that_lists_no_minters() {
    let place = place("");
    let proxy = Proxy::serve(&place, "keys");
    let refused = mint(&place, &proxy.url, &["--minter-key", "minter.jwk"]);
    assert!(
        refused.code == 2
            && refused.stderr.contains("no minters are listed there")
            && refused.stdout.is_empty(),
        "{refused:?}"
    );
    assert_eq!(mint(&place, &proxy.url, &[]).code, 0);
}

/// `tokens.kems` of a folder that has no such key, as those of an older version have.
#[test]
fn a_ring_without_a_key_of_an_accepted_kind_is_a_fault() {
    let place = place("tokens.kems = ['x-wing']");
    assert_eq!(check(&place).code, 0);
    let sealing: Vec<_> =
        std::fs::read_dir(place.path("keys")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in sealing.iter().filter(|path| path.to_str().unwrap().contains("sealing-x-wing")) {
        std::fs::remove_file(path).unwrap();
    }
    for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let fault = place.program(command).output();
        assert!(
            fault.code == 78
                && fault.stderr.contains("there is no sealing key of an accepted kind (x-wing)"),
            "{fault:?}"
        );
    }
    // Where nothing is chosen, it is no fault: tokens of version 1 are accepted.
    place.write("magicproxy.toml", "keys.folder = 'keys'\n");
    assert_eq!(check(&place).code, 0);
}

/// Every key that is used for something else, as the key of TLS; and the one of the key set as a minter's.
#[test]
fn one_key_has_one_purpose() {
    let place = place("");
    let tls = |certificate: &str, key: &str| {
        let tls = format!("tls = {{ certificate = '{certificate}', private_key = '{key}' }}\n");
        place.write(
            "magicproxy.toml",
            &format!("{tls}keys.folder = 'keys'\ntokens.minters = ['known.jwk']\n"),
        );
    };
    let refused = |expected: &str| {
        for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let fault = place.program(command).output();
            // Without the frame of a long message.
            let told: Vec<&str> =
                fault.stderr.split_whitespace().filter(|word| *word != "│").collect();
            assert!(fault.code == 78 && told.join(" ").contains(expected), "{expected}: {fault:?}");
        }
    };
    let tokens = "which signs the proxy's tokens and opens their credentials";
    // As the Python program's files tempt one to.
    tls("keys/public.x509.cer", "keys/private.pem");
    refused(tokens);
    // In another certificate, under another name, as another form of the same key.
    let pem = std::fs::read_to_string(place.path("keys/private.pem")).unwrap();
    let key = rcgen::KeyPair::from_pem(&pem).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["proxy.example".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    place.write("chain.pem", &certificate.pem());
    place.write("key.pem", &pem);
    tls("chain.pem", "key.pem");
    refused(tokens);
    // Retired, it still opens.
    assert_eq!(place.program(&["keys", "rotate"]).output().code, 0);
    refused(tokens);
    let _ = std::fs::read_dir(place.path("keys"))
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            path.to_str().unwrap().contains("retired-").then(|| std::fs::remove_file(path))
        })
        .collect::<Vec<_>>();
    assert_eq!(check(&place).code, 0, "nothing of the ring: {:?}", check(&place));
    // Ed25519: the key of the set, and a minter's.
    for (file, expected) in
        [("keyset", "which signs the proxy's key set"), ("minter", "which is a listed minter's")]
    {
        let folder = if file == "minter" { place.path("") } else { place.path("keys") };
        let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let jwk = found
            .into_iter()
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(file))
            .unwrap();
        let pem = ed25519_pem(&std::fs::read_to_string(jwk).unwrap());
        let key = rcgen::KeyPair::from_pem(&pem).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["proxy.example".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        place.write("chain.pem", &certificate.pem());
        place.write("key.pem", &pem);
        refused(expected);
    }
    let keys = std::fs::read_dir(place.path("keys")).unwrap().map(|entry| entry.unwrap().path());
    let set = keys.into_iter().find(|path| path.to_str().unwrap().contains("keyset-")).unwrap();
    place.write("known.jwk", &std::fs::read_to_string(set).unwrap());
    place.write("magicproxy.toml", "keys.folder = 'keys'\ntokens.minters = ['known.jwk']\n");
    refused("signs the proxy's key set, and nothing else");
}

/// What is written while the proxy runs is not taken over, either.
#[cfg(unix)]
#[test]
fn one_key_has_one_purpose_after_a_start_too() {
    let place = place("");
    let made = place.program(&["keys", "generate", "--keys", "tls"]).output();
    assert_eq!(made.code, 0, "{made:?}");
    let tls = "tls = { certificate = 'tls/public.x509.cer', private_key = 'tls/private.pem' }\n";
    place.write("magicproxy.toml", &format!("{tls}keys.folder = 'keys'\n"));
    let mut serving =
        place.program(&["serve", "--listen", "127.0.0.1:0", "--log-format", "pretty"]).spawn();
    let _ = serving.line(" listens on ");
    let read = |path: &str| std::fs::read_to_string(place.path(path)).unwrap();
    let _ = serving.line("who has the public key may seal");
    // TLS's key among those of tokens.
    place.write("keys/private-more.pem", &read("tls/private.pem"));
    let line = serving.line("the keys have changed and are not usable");
    assert!(line.contains("which signs the proxy's tokens"), "{line}");
    std::fs::remove_file(place.path("keys/private-more.pem")).unwrap();
    let _ = serving.line("the keys have changed active=");
    // A key of tokens as TLS's: the retired one.
    place.write("tls/private.pem", &read("keys/private.pem"));
    place.write("tls/public.x509.cer", &read("keys/public.x509.cer"));
    let line = serving.line("the certificate stays the old one: tls.private_key");
    assert!(line.contains("which signs the proxy's tokens"), "{line}");
    assert_eq!(serving.terminate().code, 0);
}

/// PKCS#8 (RFC 8410 section 7) of the seed in a private JWK.
fn ed25519_pem(jwk: &str) -> String {
    let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
    let seed = from_base64(jwk["d"].as_str().unwrap());
    let der =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed]
            .concat();
    pem_of(&der)
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 43 characters of base64url: 32 bytes.
fn from_base64(text: &str) -> Vec<u8> {
    let digits = text.bytes().map(|byte| ALPHABET.iter().position(|known| *known == byte).unwrap());
    let bits: Vec<bool> =
        digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    bits.chunks_exact(8)
        .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
        .collect()
}

fn pem_of(der: &[u8]) -> String {
    let bits: Vec<bool> =
        der.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let digit = |bits: &[bool]| {
        (0..6).fold(0, |digit, at| {
            digit << 1 | usize::from(bits.get(at).copied().unwrap_or_default())
        })
    };
    let standard = |at: usize| match ALPHABET[at] {
        b'-' => '+',
        b'_' => '/',
        other => char::from(other),
    };
    let mut body: String = bits.chunks(6).map(|bits| standard(digit(bits))).collect();
    while !body.len().is_multiple_of(4) {
        body.push('=');
    }
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}
