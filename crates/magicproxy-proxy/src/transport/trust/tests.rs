use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::*;

const HOST: &str = "api.test";

/// What `openssl req -x509 -addext subjectAltName=…` makes: an authority that is a server.
fn authority(
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, CertificateParams, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    (params.self_signed(&key).unwrap().der().clone(), params, key)
}

fn verifier(listed: &[&CertificateDer<'static>]) -> ListedVerifier {
    let listed: Vec<_> = listed.iter().map(|listed| (*listed).clone()).collect();
    let provider = Arc::new(aws_lc_rs::default_provider());
    ListedVerifier {
        by_authorities: Verifier::new_with_extra_roots(listed.clone(), provider).unwrap(),
        listed,
    }
}

fn at(
    verifier: &ListedVerifier,
    shown: &CertificateDer<'_>,
    host: &'static str,
    now: u64,
) -> Result<(), Error> {
    let name = ServerName::try_from(host).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    verifier.verify_server_cert(shown, &[], &name, &[], now).map(drop)
}

/// In the middle of 2026.
const NOW: u64 = 1_780_000_000;

#[track_caller]
fn refused(result: Result<(), Error>, expected: &str) {
    let error = format!("{:?}", result.unwrap_err());
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_servers_own_certificate_is_accepted_where_it_is_listed() {
    let (shown, ..) = authority(|_| ());
    at(&verifier(&[&shown]), &shown, HOST, NOW).unwrap();
    let servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    };
    let (shown, ..) = authority(servers);
    at(&verifier(&[&shown]), &shown, HOST, NOW).unwrap();
    // One that is no authority's was accepted ever since.
    let (shown, ..) = authority(|params| params.is_ca = IsCa::NoCa);
    at(&verifier(&[&shown]), &shown, HOST, NOW).unwrap();
}

#[test]
fn what_is_listed_is_still_for_a_host_a_time_and_a_use() {
    let (shown, ..) = authority(|_| ());
    refused(at(&verifier(&[&shown]), &shown, "other.test", NOW), "NotValidForName");
    let (old, ..) = authority(|params| params.not_after = date_time_ymd(2020, 1, 1));
    refused(at(&verifier(&[&old]), &old, HOST, NOW), "Expired");
    let (early, ..) = authority(|params| params.not_before = date_time_ymd(2040, 1, 1));
    refused(at(&verifier(&[&early]), &early, HOST, NOW), "NotValidYet");
    let clients = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    let (client, ..) = authority(clients);
    refused(at(&verifier(&[&client]), &client, HOST, NOW), "Purpose");
    let (nameless, ..) = authority(|params| params.subject_alt_names = Vec::new());
    refused(at(&verifier(&[&nameless]), &nameless, HOST, NOW), "NotValidForName");
}

/// Not every platform looks at the time before it looks for the issuer.
#[test]
fn what_is_listed_is_looked_at_whatever_the_authorities_said_of_its_issuer() {
    let (shown, ..) = authority(|params| {
        (params.not_before, params.not_after) =
            (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    });
    let verify = |shown: &CertificateDer<'_>, host: &'static str, now: u64| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        verify_listed(
            shown,
            &ServerName::try_from(host).unwrap(),
            now,
            CertificateError::UnknownIssuer.into(),
        )
        .map(drop)
    };
    let (first, last) = (1_767_225_600, 1_798_761_600);
    for now in [first, last] {
        verify(&shown, HOST, now).unwrap();
    }
    refused(verify(&shown, HOST, first - 1), "NotValidYet");
    refused(verify(&shown, HOST, last + 1), "Expired");
    refused(verify(&shown, "other.test", first), "NotValidForName");
    refused(verify(&CertificateDer::from(vec![0, 0, 0]), HOST, first), "UnknownIssuer");
}

/// Another certificate of the same key, or of the same name, is not the one that is listed.
#[test]
fn only_the_very_bytes_are_listed() {
    let (listed, params, key) = authority(|_| ());
    let (stranger, ..) = authority(|_| ());
    refused(at(&verifier(&[&listed]), &stranger, HOST, NOW), "InvalidCertificate");
    let mut again = params;
    again.serial_number = Some(77.into());
    let again = again.self_signed(&key).unwrap().der().clone();
    refused(at(&verifier(&[&listed]), &again, HOST, NOW), "CaUsedAsEndEntity");
    let mut longer = listed.to_vec();
    longer.push(0);
    refused(
        at(&verifier(&[&listed]), &CertificateDer::from(longer), HOST, NOW),
        "InvalidCertificate",
    );
    // Without a list, there is none.
    refused(at(&verifier(&[&stranger]), &listed, HOST, NOW), "InvalidCertificate");
}

/// A server's certificate of an authority that is not known, listed itself: as curl and OpenSSL have it with a partial chain. What the
/// listed authority signed is accepted as before.
#[test]
fn what_others_signed_is_accepted_where_it_or_they_are_listed() {
    let (root, params, key) = authority(|_| ());
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(params, key)).unwrap().der().clone();
    at(&verifier(&[&leaf]), &leaf, HOST, NOW).unwrap();
    at(&verifier(&[&root]), &leaf, HOST, NOW).unwrap();
    refused(at(&verifier(&[&authority(|_| ()).0]), &leaf, HOST, NOW), "InvalidCertificate");
    refused(at(&verifier(&[&root]), &leaf, "other.test", NOW), "NotValidForName");
}

#[test]
fn what_cannot_be_read_is_found_by_its_number() {
    let (good, ..) = authority(|_| ());
    let bad = CertificateDer::from(vec![0, 0, 0]);
    assert_eq!(unreadable(&[good.clone(), bad.clone(), good, bad]).collect::<Vec<_>>(), [2, 4]);
}
