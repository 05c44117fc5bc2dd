use super::*;
use crate::pattern::{Budget, TextAutomaton};
use crate::rule::MAX_LIST_STEPS;

fn globs(glob: &str) -> Machine {
    let automaton = TextAutomaton::of_globs([glob], &mut Budget::new(MAX_LIST_STEPS)).unwrap();
    Machine::of_texts(&automaton)
}

fn patterns(pattern: &str) -> Machine {
    let automaton =
        TextAutomaton::of_patterns([pattern], &mut Budget::new(MAX_LIST_STEPS)).unwrap();
    Machine::of_texts(&automaton)
}

#[track_caller]
fn check(machines: &[Machine], characters: Characters, expected: Option<&str>) {
    let found = match shortest(machines, characters, &SearchSteps::new()) {
        Least::Found(text) => Some(text),
        Least::Nothing(_) => None,
        Least::TooCostly => panic!("too costly"),
    };
    assert_eq!(found.as_deref(), expected);
}

#[test]
fn the_shortest_text_is_found() {
    let visible = Characters::Visible;
    check(&[], visible, Some(""));
    check(&[globs("agent/*")], visible, Some("agent/"));
    check(&[globs("agent/*"), patterns(".*/[0-9]{2}")], visible, Some("agent/00"));
    check(&[globs("agent/*"), patterns("[a-z]+")], visible, None);
    check(&[patterns("(aa)+"), patterns("(aaa)+")], visible, Some("aaaaaa"));
    check(&[patterns(" ?a?"), Machine::trimmed(), patterns("..")], visible, None);
    check(&[patterns("\\x01|\\x7f|é")], visible, None);
}

#[test]
fn integers_have_a_range() {
    let visible = Characters::Visible;
    for (min, max, pattern, expected) in [
        (1, 5000, ".*", Some("1")),
        (0, 5000, ".*", Some("0")),
        (17, 5000, ".*", Some("17")),
        (1, 5000, "[0-9]*7", Some("7")),
        (995, 1005, "1.*", Some("1000")),
        (995, 1005, "2.*", None),
        (-5, -3, ".*", Some("-3")),
        (-5, 3, "-.*", Some("-1")),
        (-105, -99, "-1.*", Some("-100")),
        (0, 9, "-0|00|01|", None),
        (10, 9, ".*", None),
        (-9_007_199_254_740_991, 9_007_199_254_740_991, "9{16}", None),
        (-9_007_199_254_740_991, 9_007_199_254_740_991, "90+7.*1", Some("9071")),
    ] {
        let found = shortest(
            &[Machine::of_integers(min, max), patterns(pattern)],
            visible,
            &SearchSteps::new(),
        );
        let found = if let Least::Found(text) = found { Some(text) } else { None };
        assert_eq!(found.as_deref(), expected, "{min} to {max}, {pattern}");
    }
    // Every integer near the ends of a range, and no other.
    for (min, max) in [(-12, 12), (1, 100), (99, 101), (-101, -99), (0, 0), (-1, 0)] {
        for value in -130_i64..130 {
            let machines = [Machine::of_integers(min, max), patterns(&value.to_string())];
            let found = shortest(&machines, visible, &SearchSteps::new());
            assert_eq!(found.exists(), Some((min..=max).contains(&value)), "{value} {min} {max}");
        }
    }
}

#[test]
fn a_machine_reads_its_part_of_a_path() {
    let path = Characters::Path;
    let at = |glob: &str, place| globs(glob).at(place);
    let both = |glob: &str, place, pattern: &str, expected: Option<&str>| {
        check(&[at(glob, place), patterns(pattern)], path, expected);
    };
    both("b", MachinePlace::Segment(1), "/[^/]+/[^/]+/[^/]+", Some("/a/b/a"));
    both("b", MachinePlace::Segment(1), "/[^/]+/[^/]+", Some("/a/b"));
    both("b", MachinePlace::Segment(1), "/[^/]+", None);
    both("b", MachinePlace::Segment(1), "/[^/]+/c/.*", None);
    both("b/*", MachinePlace::RestBehind(1), "/[^/]+/.*/d", Some("/a/b/d"));
    both("b/*", MachinePlace::RestBehind(1), "/[^/]+/c.*", None);
    check(&[patterns("/.*"), Machine::canonical_path()], path, Some("/"));
    check(&[patterns("/.*/"), Machine::canonical_path()], path, Some("/a/"));
    check(&[patterns("/[.]*"), patterns("..+"), Machine::canonical_path()], path, Some("/..."));
}

#[test]
fn a_search_ends() {
    let machines = [patterns("(a{97})+"), patterns("(a{101})+"), patterns("(a{103})+")];
    assert_eq!(shortest(&machines, Characters::Visible, &SearchSteps::new()), Least::TooCostly);
}
