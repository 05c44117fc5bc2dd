use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A certificate and its key in PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles { certificate: folder.join("c.pem"), private_key: folder.join("k.pem") }
}

fn write(files: &CertificateFiles, (certificate, key): &(String, String)) {
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.private_key, key).unwrap();
}

#[test]
fn a_pair_that_changes_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old, new) = (files(folder.path()), pair(), pair());
    write(&files, &old);
    let (mut reloader, _) = Reloader::start(files.clone()).unwrap();
    assert!(matches!(reloader.look(), ReloadCheck::Same));
    // As renewers do it: a new file takes the place of the old one.
    for (path, text) in [(&files.certificate, &new.0), (&files.private_key, &new.1)] {
        std::fs::write(folder.path().join("new"), text).unwrap();
        std::fs::rename(folder.path().join("new"), path).unwrap();
    }
    assert!(matches!(reloader.look(), ReloadCheck::New(_)));
    assert!(matches!(reloader.look(), ReloadCheck::Same));
}

#[test]
fn half_a_change_is_told_once_and_the_other_half_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old, new) = (files(folder.path()), pair(), pair());
    write(&files, &old);
    let (mut reloader, _) = Reloader::start(files.clone()).unwrap();
    let bad = |reloader: &mut Reloader, part: &str| match reloader.look() {
        ReloadCheck::Bad(fault) => assert!(fault.message.contains(part), "{fault:?}"),
        other => panic!("{other:?}"),
    };
    std::fs::write(&files.certificate, &new.0[..new.0.len() / 2]).unwrap();
    bad(&mut reloader, "expected certificates in PEM");
    assert!(matches!(reloader.look(), ReloadCheck::Same));
    std::fs::write(&files.certificate, &new.0).unwrap();
    bad(&mut reloader, "does not belong to the first certificate");
    std::fs::remove_file(&files.private_key).unwrap();
    bad(&mut reloader, "there is no such file");
    std::fs::write(&files.private_key, &new.1[..new.1.len() - 40]).unwrap();
    bad(&mut reloader, "expected a private key in PEM");
    std::fs::write(&files.private_key, &new.1).unwrap();
    assert!(matches!(reloader.look(), ReloadCheck::New(_)));
}

#[test]
fn keys_of_every_form_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let (certificate, key) = pair();
    // OpenSSL writes such a section before a key in SEC1 form.
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    write(&files, &(format!("a comment\n{certificate}"), format!("{parameters}{key}")));
    load(&files).unwrap();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    write(&files, &(certificate, encrypted));
    assert_eq!(load(&files).unwrap_err().file, FaultyFile::PrivateKey);
}
