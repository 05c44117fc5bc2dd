//! The patterns for secret scanners: those of the specification and of `SECURITY.md` are one, and find every token of the vectors whole.

use regex::Regex;
use serde_json::Value;

use crate::files;

/// The line of a page that begins so.
fn pattern(page: &str, beginning: &str) -> String {
    let text = std::fs::read_to_string(files::path(&format!("../{page}"))).unwrap();
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.starts_with(beginning)).collect();
    assert_eq!(lines.len(), 1, "one pattern in {page}");
    lines[0].to_owned()
}

/// The accepted tokens of a file of vectors.
fn tokens(name: &str) -> Vec<String> {
    let file: Value = files::read(name);
    let accepted =
        file["cases"].as_array().unwrap().iter().filter(|case| case.get("accepted").is_some());
    accepted.map(|case| case["token"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_patterns_find_every_token_whole() {
    let sealed = pattern("docs/spec/token-v2.md", "mt2_eyJ[");
    let armoured = pattern("docs/spec/token-v1.md", "mt1_eyJ[");
    assert_eq!(pattern("SECURITY.md", "mt2_eyJ["), sealed);
    assert_eq!(pattern("SECURITY.md", "mt1_eyJ["), armoured);
    let [sealed, armoured] =
        [sealed, armoured].map(|pattern| Regex::new(&pattern.replace(r"\b", r"(?-u:\b)")).unwrap());
    let (signed, v2) = (tokens("vectors/token-v1.json"), tokens("vectors/token-v2.json"));
    assert!(signed.len() > 10 && v2.len() > 30);
    // Without white space before the first member, as all minters write.
    let v1 =
        signed.iter().filter(|token| token.split('.').take(2).all(|part| part.starts_with("eyJ")));
    let v1 = v1.map(|token| magicproxy_core::armoured(token).unwrap().to_string());
    let all = v2
        .iter()
        .cloned()
        .map(|token| (token, &sealed, &armoured))
        .chain(v1.map(|token| (token, &armoured, &sealed)));
    for (token, finds, passes_over) in all {
        for text in [
            token.clone(),
            format!("GH_TOKEN={token}"),
            format!("Authorization: Bearer {token}\r\n"),
            format!("{{\"token\":\"{token}\"}}"),
            format!("GET /a?api_key={token}&b=1"),
            format!("redirect%3D{token} and a word"),
            format!("It was {token}."),
        ] {
            let found = finds.find(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.as_str(), token, "in {text}");
            assert!(!passes_over.is_match(&text));
        }
    }
    for other in
        ["mt2_eyJ", "mt2_", "mt2_eyJraWQiOiJ4In0.abc.def", "mt1_eyJhbGci.eyJ.x", &signed[0]]
    {
        assert!(!sealed.is_match(other) && !armoured.is_match(other), "{other}");
    }
}
