//! `key-set.json`.

use magicproxy_core::{
    AcceptError, AcceptedTokens, Kem, KeySetError, KeySetPin, KeySetSigner, SealedTokenPlan,
    SignedKeySet, UnixTime,
};
use serde::Deserialize;
use serde_json::Value;

use crate::files;

#[derive(Deserialize)]
struct File {
    now: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    pinned: Option<Pinned>,
    document: String,
    accepted: Option<Accepted>,
    refused: Option<String>,
    accepts: Option<Value>,
    #[serde(default)]
    plans: Vec<PlanCase>,
}

/// A sealed token to be minted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanCase {
    kem: Kem,
    minter: Option<String>,
    lifetime: u64,
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Pinned {
    signer: Value,
    version: u64,
    iat: Option<u64>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Accepted {
    keys: Vec<String>,
    signer: String,
    /// The `iat` to pin from now on.
    iat: Option<u64>,
}

fn kind_of(error: KeySetError) -> &'static str {
    match error {
        KeySetError::Malformed => "malformed",
        KeySetError::Unsigned => "unsigned",
        KeySetError::Untrusted => "untrusted",
        KeySetError::Signature => "signature",
        KeySetError::RolledBack => "rolled_back",
        KeySetError::Expired => "expired",
        KeySetError::NotYetValid => "not_yet_valid",
        other => panic!("{other:?} has no name in the vectors"),
    }
}

fn name_of(refused: AcceptError) -> &'static str {
    match refused {
        AcceptError::Version => "version",
        AcceptError::Kem(_) => "kem",
        AcceptError::Minter | AcceptError::NoMinter => "minter",
        AcceptError::Lifetime(_) => "lifetime",
        other => panic!("{other:?} has no name in the vectors"),
    }
}

/// What the set says of tokens to be minted.
fn plans(case: &Case, accepts: Option<&AcceptedTokens>) {
    assert_eq!(
        accepts.map(|accepts| serde_json::to_value(accepts).unwrap()),
        case.accepts,
        "{}",
        case.name
    );
    for PlanCase { kem, minter, lifetime, refused } in &case.plans {
        let plan = SealedTokenPlan { kem: *kem, minter: minter.as_deref(), lifetime: *lifetime };
        let found = accepts.unwrap().ensure(&plan).err().map(name_of);
        assert_eq!(found, refused.as_deref(), "{}: {plan:?}", case.name);
    }
}

fn read(case: &Case, now: UnixTime) -> Result<Accepted, KeySetError> {
    let (set, kept_iat) = match &case.pinned {
        Some(pinned) => {
            let signer = KeySetSigner::from_json(&pinned.signer.to_string()).unwrap();
            let pin = KeySetPin {
                signer: &signer,
                version: UnixTime(pinned.version),
                issued_at: pinned.iat.map(UnixTime),
            };
            let set = SignedKeySet::following(&case.document, &pin)?;
            let replaces = set.replaces(&pin);
            (set, pinned.iat.filter(|_| !replaces))
        }
        None => (SignedKeySet::first(&case.document)?, None),
    };
    set.ensure_current(now)?;
    // Whoever keeps the document finds in it, later, what was taken now.
    let kept = SignedKeySet::first(&case.document).unwrap();
    let ids =
        |set: &SignedKeySet| -> Vec<_> { set.keys().iter().map(|key| key.id().clone()).collect() };
    let told = |set: &SignedKeySet| (set.version(), set.signer().id().clone(), ids(set));
    assert_eq!((told(&kept), kept.accepts()), (told(&set), set.accepts()), "{}", case.name);
    plans(case, set.accepts());
    let keys = set.keys().iter().map(|key| key.id().to_string()).collect();
    let iat = case.accepted.as_ref().and_then(|accepted| accepted.iat);
    let iat = iat.and_then(|_| kept_iat.or(set.pin().issued_at.map(|at| at.0)));
    Ok(Accepted { keys, signer: set.signer().id().to_string(), iat })
}

#[test]
fn vectors() {
    let file: File = files::read("vectors/key-set.json");
    let mut kinds = std::collections::BTreeSet::new();
    for case in &file.cases {
        let found = read(case, UnixTime(file.now));
        match (&case.accepted, &case.refused) {
            (Some(accepted), None) => assert_eq!(found.as_ref(), Ok(accepted), "{}", case.name),
            (None, Some(kind)) => {
                assert_eq!(found.map_err(kind_of), Err(kind.as_str()), "{}", case.name);
                kinds.insert(kind.as_str());
            }
            _ => panic!("{}: accepted or refused", case.name),
        }
    }
    assert!(file.cases.len() >= 110 && kinds.len() == 7, "{} cases, {kinds:?}", file.cases.len());
}
