//! Speeds, to be read by people: `cargo test --release -p magicproxy-core --lib json_speed --
//! --ignored --nocapture`.

use std::time::Instant;

use super::*;

/// A name, the tests of the rule, and a body.
fn cases() -> Vec<(&'static str, &'static str, String)> {
    let mib = 1 << 17;

    let long = |text: &str| {
        let list = vec![format!("\"{text}\""); mib / text.len()];
        format!("{{\"model\":\"m\",\"input\":[{}]}}", list.join(","))
    };
    let texts = long(&"Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(1_000));
    let other = long(&"Größe übermäßig äußern, öffnen, 水は低きに流れる。".repeat(1_000));
    let content =
        "Please explain this line:\\n\\tlet x = \\\"a\\\";\\nand say what else it could be. ";
    let message = format!("{{\"role\":\"user\",\"content\":\"{}\"}}", content.repeat(4));
    let chat = |bytes: usize| {
        let messages = vec![message.as_str(); bytes / message.len()].join(",");
        format!("{{\"model\":\"m\",\"stream\":true,\"messages\":[{messages}]}}")
    };
    let members: Vec<String> =
        (0..mib / 12).map(|at| format!("\"k{at}\":{}", at % 1_000)).collect();
    let members = format!("{{{}}}", members.join(","));
    let objects = vec!["{\"id\":1,\"on\":true}"; mib / 19].join(",");
    let objects = format!("{{\"list\":[{objects}]}}");
    let closed = "{\"model\":\"m\",\"messages\":{},\"stream?\":{}}";
    let deep = "{\"model\":\"m\",\"stream?\":{},\"messages\":{\"each\":{\"object\":{\"role\":[\"user\",\"system\"],\"content\":{}}}}}";
    vec![
        ("long texts, skipped", "{\"model\":\"m\",\"input\":{}}", texts.clone()),
        (
            "long texts, by type",
            "{\"model\":\"m\",\"input\":{\"each\":{\"type\":\"string\"}}}",
            texts.clone(),
        ),
        ("long texts, compared", "{\"model\":\"m\",\"input\":{\"each\":[\"a\",\"b\"]}}", texts),
        ("long texts, not ASCII", "{\"model\":\"m\",\"input\":{}}", other),
        ("chat, skipped", closed, chat(mib)),
        ("chat, looked into", deep, chat(mib)),
        ("dense members, skipped", "{\"a\":{},\"*\":{}}", format!("{{\"a\":{members}}}")),
        ("dense members, open", "{\"*\":{}}", members.clone()),
        ("dense members, tested", "{\"k1\":1,\"k2\":{},\"k3?\":{},\"*\":{\"min\":0}}", members),
        ("dense objects", "{\"list\":{\"each\":{\"object\":{\"id\":1,\"on\":true}}}}", objects),
        ("2 KiB of chat", deep, chat(2048)),
        (
            "2 KiB of members",
            "{\"*\":{\"min\":0}}",
            format!(
                "{{{}}}",
                (0..150).map(|at| format!("\"key{at}\":{at}")).collect::<Vec<_>>().join(",")
            ),
        ),
    ]
}

#[test]
#[ignore = "prints figures"]
fn json_speed() {
    for (name, test, body) in cases() {
        let names = names(test);
        let test = JsonTest { object: Some(&names), each: None };
        let mut best = u128::MAX;
        for _ in 0..200 {
            let begun = Instant::now();
            let mut judge = JsonJudge::new(body.as_bytes(), &[test], &[]);
            while judge.advance(64 * 1024) == Progress::More {}
            std::hint::black_box(judge.outcomes());
            best = best.min(begun.elapsed().as_nanos());
        }
        let megabytes = body.len() as u128 * 1_000 / best;
        println!("{name}: {megabytes} MB/s, {} ns for {} bytes", best, body.len());
    }
}
