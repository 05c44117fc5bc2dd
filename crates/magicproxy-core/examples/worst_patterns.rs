//! Looks for the patterns that cost most: how long a mint request of hostile rules takes to check, and a decision by it.
//!
//! `cargo run --release -p magicproxy-core --example worst_patterns`

use std::time::{Duration, Instant};

use magicproxy_core::{EncodedSlash, PatternMode, Policy, RawRule, RequestTarget, Rule};

type Maker = fn(usize, usize) -> String;

fn main() {
    let families: [(&str, Maker); 18] = [
        ("[ab]*a[ab]{k}c", |i, k| format!("/{i}[ab]*a[ab]{{{k}}}c")),
        (".*a.{k}", |i, k| format!("/{i}.*a.{{{k}}}")),
        ("[ab]*a[ab]{k}c at the start", |i, k| format!("/[ab]*a[ab]{{{k}}}c{i}")),
        (".*a.*b…", |i, k| {
            format!(
                "/{}{i}",
                (0..k)
                    .map(|n| format!(".*{}", char::from(b'a' + (n % 26) as u8)))
                    .collect::<String>()
            )
        }),
        ("(?:.{k}){k}", |i, k| format!("/{i}(?:.{{{k}}}){{{k}}}")),
        ("(?:(?:a{0,k}){0,k}){0,k}", |i, k| format!("/{i}(?:(?:a{{0,{k}}}){{0,{k}}}){{0,{k}}}")),
        ("(?:a?){k}", |i, k| format!("/{i}(?:a?){{{k}}}")),
        ("(?:.?){k}", |i, k| format!("/{i}(?:.?){{{k}}}")),
        ("(?:a{0,k})*", |i, k| format!("/{i}(?:a{{0,{k}}}b?)*")),
        ("(?:[ab]?){k}a", |i, k| format!("/{i}(?:[ab]?){{{k}}}a")),
        ("(?:a*b*){k}", |i, k| format!("/{i}(?:a*b*){{{k}}}")),
        ("(?:[a-z]*[0-9]*){k}", |i, k| format!("/{i}(?:[a-z]*[0-9]*){{{k}}}")),
        (".*(?:a|b)?{k}", |i, k| format!("/{i}.*(?:a.?){{{k}}}")),
        (".*[abc…]…", |i, k| {
            format!(
                "/{i}.*{}",
                (0..k)
                    .map(|n| format!("[{}-z]", char::from(b'a' + (n % 25) as u8)))
                    .collect::<String>()
            )
        }),
        ("a|b|c…", |i, k| {
            format!(
                "/{i}(?:{}){{3}}",
                (0..k).map(|n| format!("a{n}")).collect::<Vec<_>>().join("|")
            )
        }),
        ("(?:.*a|b){k}", |i, k| format!("/{i}(?:.*a|b){{{k}}}")),
        ("wide classes", |i, k| {
            format!(
                "/{i}.*{}",
                (0..k)
                    .map(|n| format!(
                        "[!-{}]",
                        char::from(b'$' + (n % 80) as u8)
                            .to_string()
                            .replace(['\\', ']', '[', '^', '-'], "a")
                    ))
                    .collect::<String>()
            )
        }),
        ("all letters", |i, k| {
            format!(
                "/{i}(?:{})*.{{0,{k}}}",
                (b'a'..=b'z')
                    .chain(b'A'..=b'Z')
                    .map(char::from)
                    .map(|c| format!("{c}.?{c}?"))
                    .collect::<Vec<_>>()
                    .join("|")
            )
        }),
    ];
    let mut worst = Worst::default();
    for (name, maker) in families {
        for size in (1..=12)
            .chain([14, 16, 18, 20, 25, 30, 40, 50, 60, 80, 100, 130, 170, 220, 300, 400, 600, 800])
        {
            let raw = RawRule::Text(format!("GET {}", maker(1, size)));
            let start = Instant::now();
            let accepted = Rule::parse(raw, PatternMode::Whole).is_ok();
            worst.single.see(start.elapsed(), || format!("{name} {size}, accepted: {accepted}"));
            list(&format!("{name} {size}"), maker, size, &mut worst);
        }
    }
    println!(
        "one rule   {}\nlist       {}\npolicy     {}\ndecision   {}",
        worst.single, worst.parse, worst.compile, worst.decide
    );
    println!("memory     {} bytes", worst.memory);
}

#[derive(Default)]
struct Worst {
    single: Slowest,
    parse: Slowest,
    compile: Slowest,
    decide: Slowest,
    memory: usize,
}

#[derive(Default)]
struct Slowest(Duration, String);

impl Slowest {
    fn see(&mut self, took: Duration, what: impl FnOnce() -> String) {
        if took > self.0 {
            *self = Self(took, what());
        }
    }
}

impl std::fmt::Display for Slowest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>10.2?}  {}", self.0, self.1)
    }
}

fn list(name: &str, maker: Maker, size: usize, worst: &mut Worst) {
    let mut rules = Vec::new();
    let mut bytes = 2;
    while rules.len() < 1000 {
        let text = format!("GET {}", maker(rules.len(), size));
        bytes += text.len() + 3;
        if bytes > 64 * 1024 {
            break;
        }
        rules.push(RawRule::Text(text));
    }
    let start = Instant::now();
    let parsed = Rule::parse_list(&rules, PatternMode::Whole);
    worst.parse.see(start.elapsed(), || format!("{name}, accepted: {}", parsed.is_ok()));
    let Ok(rules) = parsed else { return };
    let start = Instant::now();
    let policy = Policy::compile(&rules);
    worst.compile.see(start.elapsed(), || format!("{name}, accepted: {}", policy.is_ok()));
    let Ok(policy) = policy else { return };
    worst.memory = worst.memory.max(policy.memory_bytes());
    for path in ["a".repeat(4000), "ab".repeat(2000), "0a1b".repeat(1000), "z9".repeat(2000)] {
        let Ok(target) = RequestTarget::parse(format!("/{path}").as_bytes(), EncodedSlash::Refuse)
        else {
            continue;
        };
        let best = (0..3).map(|_| {
            let start = Instant::now();
            std::hint::black_box(policy.allows("GET", &target));
            start.elapsed()
        });
        worst.decide.see(best.min().unwrap_or_default(), || name.to_owned());
    }
}
