//! Bodies of requests: as long as a guest can hold, whatever its memory, and never so long that it fails for want of memory.

use std::time::Duration;

use magicproxy_core::plugin::{PluginBody, PluginHost as _, PluginRequest, Verdict};
use magicproxy_plugin::LoadError;

use crate::guests::{ALLOW, Fixture, Parts, component, request, run, scope};

const PAGE: usize = 64 * 1024;
const PAGES: u32 = 4;

/// A guest that wants bodies, and allows a request whose body ends in `!`, as the guest finds it in its memory.
fn reader() -> Vec<u8> {
    let last = "(i32.load8_u (i32.sub (i32.add (i32.load offset=48 (local.get $request))
        (i32.load offset=52 (local.get $request))) (i32.const 1)))";
    let decide = format!("(select {ALLOW} (i32.const 96) (i32.eq (i32.const 33) {last}))");
    let module = r#"(data (i32.const 136) "\01")"#;
    component(&Parts { module, pages: PAGES, decide: &decide, ..Parts::default() })
}

fn loaded(memory: usize, body: Option<usize>) -> Result<Fixture, Vec<LoadError>> {
    Fixture::try_with(&reader(), |plugin| {
        plugin.limits.memory = memory;
        plugin.limits.body = body;
        // Copying is slow where nothing is optimised.
        plugin.limits.time = Duration::from_secs(600);
    })
}

/// A quarter of what an instance has left, or what the operator says, up to half.
#[test]
fn the_longest_body_follows_from_the_memory_that_is_left() {
    for memory in [5 * PAGE, 1 << 20, 16 << 20, 64 << 20] {
        let left = memory - PAGES as usize * PAGE;
        for (said, longest) in [(None, left / 4), (Some(1), 1), (Some(left / 2), left / 2)] {
            let fixture = loaded(memory, said).unwrap();
            assert_eq!(fixture.host.longest_body(&fixture.name), longest, "{memory} {said:?}");
            assert_eq!(fixture.host.describe(&fixture.name).unwrap().longest_body, longest);
        }
        let errors = loaded(memory, Some(left / 2 + 1)).err().unwrap();
        let told = errors[0].to_string();
        assert!(
            told.contains(&format!(
                "`max_body` is {} bytes, and its `memory_limit` leaves room for a body of at most {}",
                left / 2 + 1,
                left / 2
            )),
            "{told}"
        );
    }
    // One that reads no body has no need of room for any.
    let parts = Parts { pages: PAGES, ..Parts::default() };
    let deaf = Fixture::try_with(&component(&parts), |plugin| plugin.limits.body = Some(1 << 26));
    assert!(deaf.is_ok());
}

/// The longest body arrives, whole, in a guest of any memory: none fails.
#[test]
fn the_longest_body_finds_room() {
    for memory in [5 * PAGE, 1 << 20, 16 << 20, 64 << 20] {
        for said in [None, Some((memory - PAGES as usize * PAGE) / 2)] {
            let fixture = loaded(memory, said).unwrap();
            let longest = fixture.host.longest_body(&fixture.name);
            let mut body = vec![b'x'; longest];
            *body.last_mut().unwrap() = b'!';
            let asked = PluginRequest {
                body: Some(PluginBody::new(body)),
                ..request("POST", "/v1/chat/completions")
            };
            let report = run(fixture.host.ask(&fixture.name, &asked, scope("a")));
            assert_eq!(report.outcome, Ok(Verdict::Allow), "{memory} {said:?}: {longest} bytes");
        }
    }
}
