//! Every target is listed in the manifest, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_target_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table =
        fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
    let listed = manifest["bin"].as_array().unwrap().iter();
    let listed: BTreeSet<String> =
        listed.map(|bin| bin["path"].as_str().unwrap().to_owned()).collect();
    let files = fs::read_dir(folder.join("fuzz_targets")).unwrap();
    let there =
        files.map(|file| format!("fuzz_targets/{}", file.unwrap().file_name().to_str().unwrap()));
    assert_eq!(listed, there.collect());
}
