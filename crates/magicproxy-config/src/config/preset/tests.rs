//! What the presets name, tried on documents as the APIs have them: `testdata/vectors/rewriting.json`.

use std::sync::Arc;

use bytes::Bytes;
use magicproxy_proxy::rewrite::{JsonRewriter, LinkMap};
use magicproxy_proxy::settings::Links;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    presets: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    preset: String,
    root: String,
    asked: String,
    text: String,
    becomes: Option<String>,
}

const HOME: &str = "http://127.0.0.1:5000/api";

#[test]
fn documents_of_known_apis_are_rewritten_where_clients_follow() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/vectors/rewriting.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for Document { preset, root, asked, text, becomes } in vectors.presets {
        let settings = format!("[upstreams.x]\npreset = '{preset}'\napi_root = '{root}'");
        let config = super::super::tests::native(&settings).check().unwrap();
        let Links::Rewrite(members) = &config.upstreams[0].links else {
            panic!("{preset} keeps all links")
        };
        let links = LinkMap::new([(root.as_str(), HOME)]).following(Arc::clone(members));
        let mut rewriter = JsonRewriter::new(Arc::new(links)).asked(Some(asked.parse().unwrap()));
        let out = [rewriter.push(Bytes::from(text.clone())), rewriter.finish()].concat();
        assert_eq!(String::from_utf8(out).unwrap(), becomes.unwrap_or(text), "{preset}, {asked}");
    }
}
