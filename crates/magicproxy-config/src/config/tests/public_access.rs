//! Where links lead by the Python program's `public_access`.

use super::*;

/// The Python program did nothing with this URL but to name its certificate; clients would follow it here.
#[test]
fn links_lead_to_localhost_only_where_somebody_says_so_here() {
    let public = |layers: Layers| layers.check().unwrap().public_access.map(|public| public.url);
    for local in [
        "http://localhost:5000",
        "http://LOCALHOST",
        "http://127.0.0.1:5000/",
        "http://127.1.2.3",
        "https://[::1]:5000",
        "http://0.0.0.0:5000",
        "http://magic.localhost",
        "magic.example.org",
        "ftp://magic.example.org",
        "",
    ] {
        let (layers, warnings) = python(&serde_json::json!({ "public_access": local }).to_string());
        assert_eq!(public(layers), None, "{local}");
        assert!(
            warnings.iter().any(|warning| warning.contains("`public_access`")),
            "{local}: {warnings:?}"
        );
        if !local.is_empty() {
            let layers =
                Layers::gather(Flags::default(), &environment(&[("PUBLIC_ACCESS", local)]));
            assert!(
                layers.warnings.iter().any(|warning| warning.contains("`PUBLIC_ACCESS`")),
                "{local}: {:?}",
                layers.warnings
            );
            assert_eq!(public(layers), None, "{local}");
        }
    }
    let (layers, warnings) = python(r#"{ "public_access": "https://magic.example.org" }"#);
    assert_eq!((public(layers).as_deref(), warnings.len()), (Some("https://magic.example.org"), 0));
    let asked = Layers::gather(
        Flags::default(),
        &environment(&[("MAGICPROXY_PUBLIC_ACCESS", "http://localhost:5000")]),
    );
    assert_eq!((public(asked).as_deref()), Some("http://localhost:5000"));
}
