//! A decision of a Python plugin as rules, if all of the decision is understood.
//!
//! A function is taken apart only if every line is in one of a few forms: `if` a condition, `return
//! True`; `return` a condition; a condition being comparisons of `method` and of `path` with texts.
//! Any other line (a `not`, a `!=`, a loop, a name) makes the whole function none of this module's
//! business: leaving the line out could only propose more rights than the plugin gave.

use std::iter::Peekable;
use std::str::Lines;

use magicproxy_core::{PatternMode, RawRule, Rule};

/// The pattern of every path; below it, the word for every method.
const EVERY_PATH: &str = "/.*";
const EVERY_METHOD: &str = "*";

/// Returns the rules that allow exactly the requests allowed by the function, empty if it allows
/// nothing; `None`, if a part is not understood.
pub(super) fn rules(function: &str) -> Option<Vec<String>> {
    let mut body = Body::of(function)?;
    let mut rules = Vec::new();
    while let Some(line) = body.next() {
        if let Some(condition) = keyword(line, "if").or_else(|| keyword(line, "elif")) {
            let (condition, then) = condition.rsplit_once(':')?;
            let then = if then.trim().is_empty() { body.next()? } else { then.trim() };
            if then != "return True" {
                return None;
            }
            rules.extend(any(condition)?);
            continue;
        }
        match keyword(line, "return")? {
            "False" | "None" | "" => {}
            "True" => rules.push(format!("{EVERY_METHOD} {EVERY_PATH}")),
            condition => rules.extend(any(condition)?),
        }
        break;
    }
    let valid =
        |rule: &String| Rule::parse(RawRule::Text(rule.clone()), PatternMode::Whole).is_ok();
    rules.iter().all(valid).then_some(rules)
}

/// The lines of a function below its head, without comments, blank lines and its documenting text.
struct Body<'p> {
    lines: Peekable<Lines<'p>>,
}

impl<'p> Body<'p> {
    fn of(function: &'p str) -> Option<Self> {
        let mut lines = function.lines().peekable();
        lines
            .by_ref()
            .find(|line| without_comment(line).is_some_and(|line| line.ends_with(':')))?;
        let mut body = Self { lines };
        let first = body.lines.peek().copied().map(str::trim).unwrap_or_default();
        if let Some(quotes) = ["\"\"\"", "'''"].into_iter().find(|quotes| first.starts_with(quotes))
        {
            body.lines.next();
            if first.matches(quotes).count() < 2 {
                body.lines.by_ref().find(|line| line.contains(quotes))?;
            }
        }
        Some(body)
    }

    fn next(&mut self) -> Option<&'p str> {
        // A line with an unclear `#` stays whole, and is not understood.
        let mut lines =
            self.lines.by_ref().map(|line| without_comment(line).unwrap_or(line).trim());
        lines.find(|line| !line.is_empty())
    }
}

/// Returns the line up to its comment; `None`, if a `#` might stand in a text.
fn without_comment(line: &str) -> Option<&str> {
    match line.split_once('#') {
        None => Some(line.trim_end()),
        Some((code, _)) if !code.contains(['"', '\'']) => Some(code.trim_end()),
        Some(_) => None,
    }
}

fn keyword<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with([' ', '('])).then(|| rest.trim())
}

/// Returns the rules of a condition: the rules of each part between `or`.
fn any(condition: &str) -> Option<Vec<String>> {
    let mut rules = Vec::new();
    for part in split(condition, " or ")? {
        rules.extend(all(part)?);
    }
    Some(rules)
}

/// Returns the rules of comparisons that hold together: at most one of the method, and one of the
/// path.
fn all(condition: &str) -> Option<Vec<String>> {
    let (mut methods, mut paths) = (None, None);
    for part in split(condition, " and ")? {
        let (side, texts) = comparison(part)?;
        let place = if side == Side::Method { &mut methods } else { &mut paths };
        if place.replace(texts).is_some() {
            return None;
        }
    }
    let methods: Vec<String> = methods.unwrap_or_else(|| vec![EVERY_METHOD.to_owned()]);
    let paths: Vec<String> = paths.unwrap_or_else(|| vec![EVERY_PATH.to_owned()]);
    let rules =
        |method: &String| paths.iter().map(|path| format!("{method} {path}")).collect::<Vec<_>>();
    Some(methods.iter().flat_map(rules).collect())
}

#[derive(PartialEq, Eq)]
enum Side {
    Method,
    Path,
}

/// Reads one comparison into the names of methods, or patterns of paths, that it admits.
fn comparison(text: &str) -> Option<(Side, Vec<String>)> {
    let text = unwrapped(text.trim());
    if let Some(methods) = equal_to("method", text) {
        let plain = |method: &String| {
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase())
        };
        return methods.iter().all(plain).then_some((Side::Method, methods));
    }
    if let Some(paths) = equal_to("path", text) {
        return Some((Side::Path, paths.iter().map(|path| escaped(path)).collect()));
    }
    if let Some(argument) = called("path.startswith", text) {
        return Some((Side::Path, vec![format!("{}.*", escaped(&literal(argument)?))]));
    }
    for (function, whole) in [("re.match", false), ("re.fullmatch", true)] {
        if let Some(arguments) = called(function, text) {
            let pattern = literal(arguments.strip_suffix("path")?.trim_end().strip_suffix(',')?)?;
            return Some((Side::Path, vec![as_rule(&pattern, whole)]));
        }
    }
    None
}

/// Reads the texts compared with a name by `==` or `in`.
fn equal_to(name: &str, text: &str) -> Option<Vec<String>> {
    if let Some((left, right)) = text.split_once(" == ") {
        let other = if left.trim() == name {
            right
        } else {
            Some(left).filter(|_| right.trim() == name)?
        };
        return Some(vec![literal(other)?]);
    }
    let list = text.strip_prefix(name)?.strip_prefix(" in ")?.trim();
    let list = list.strip_prefix(['(', '[', '{'])?.strip_suffix([')', ']', '}'])?;
    let texts: Option<Vec<String>> = list.trim_end_matches(',').split(',').map(literal).collect();
    texts.filter(|texts| !texts.is_empty())
}

fn called<'l>(function: &str, text: &'l str) -> Option<&'l str> {
    let arguments = text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(arguments.trim())
}

/// Reads a text in quotes: without `\` inside, unless the text is raw.
fn literal(text: &str) -> Option<String> {
    let text = text.trim();
    let (raw, quoted) = text.strip_prefix('r').map_or((false, text), |rest| (true, rest));
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let plain = !inner.contains(['"', '\'', '\n']) && (raw || !inner.contains('\\'));
    plain.then(|| inner.to_owned())
}

/// Turns a pattern matched by `re` at the beginning of a path into a pattern of the whole path.
fn as_rule(pattern: &str, whole: bool) -> String {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let (pattern, ends) = match pattern.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (rest, true),
        None => (pattern, whole),
    };
    let group = if pattern.contains('|') { format!("(?:{pattern})") } else { pattern.to_owned() };
    if ends || group.ends_with(".*") { group } else { format!("{group}.*") }
}

/// Makes a pattern that matches a text and nothing else.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// Splits a condition at a word outside of parentheses; `None`, if a text or a parenthesis does not
/// end.
fn split<'l>(condition: &'l str, word: &str) -> Option<Vec<&'l str>> {
    let condition = unwrapped(condition.trim());
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_u32, None);
    for (at, character) in condition.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.checked_sub(1)?,
            (None, _)
                if depth == 0
                    && at >= start
                    && condition.get(at..).is_some_and(|rest| rest.starts_with(word)) =>
            {
                parts.push(condition.get(start..at)?);
                start = at + word.len();
            }
            (None, _) => {}
        }
    }
    parts.push(condition.get(start..)?);
    (depth == 0 && quote.is_none()).then_some(parts)
}

/// Takes off parentheses around the whole text.
fn unwrapped(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 0_i32;
    let closes_early = inner.chars().any(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth < 0
    });
    if closes_early { text } else { unwrapped(inner.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Option<Vec<String>> {
        rules(&format!("def is_request_allowed(method, path):\n{body}\n"))
    }

    #[test]
    fn what_is_understood_becomes_the_same_rules() {
        for (body, expected) in [
            ("    return True", &["* /.*"][..]),
            ("    return False", &[]),
            ("    pass_ = 1  # not here\n    return False", &["?"]),
            ("    return method == 'GET' and re.match(r'^/user$', path)", &["GET /user"]),
            ("    return (method == \"GET\" and path == \"/a.b\")", &["GET /a\\.b"]),
            (
                "    return method in (\"GET\", 'POST') and path.startswith(\"/v2/x+\")",
                &["GET /v2/x\\+.*", "POST /v2/x\\+.*"],
            ),
            ("    return 'GET' == method and path in ['/a', \"/b\"]", &["GET /a", "GET /b"]),
            ("    return re.match(\"/user\", path)", &["* /user.*"]),
            ("    return method == 'GET'", &["GET /.*"]),
            ("    return re.match(r\"/a|/b\", path)", &["* (?:/a|/b).*"]),
            ("    return re.fullmatch(r\"/a/\\d+\", path)", &["* /a/\\d+"]),
            (
                "    \"\"\"Says\n    yes.\"\"\"\n    # first\n    if method == 'GET' and path == '/a':\n        return True\n    return False",
                &["GET /a"],
            ),
            (
                "    if path == '/a': return True\n    elif path == '/b':\n        return True",
                &["* /a", "* /b"],
            ),
            (
                "    return (method == 'GET' and path == '/a') or (method == 'POST' and path == '/b')",
                &["GET /a", "POST /b"],
            ),
        ] {
            let found = of(body);
            if expected == ["?"] {
                assert_eq!(found, None, "{body}");
            } else {
                assert_eq!(
                    found.as_deref(),
                    Some(&expected.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>()[..]),
                    "{body}"
                );
            }
        }
    }

    /// Each body allows less than its texts seem to, and each was, or could be, taken for more.
    #[test]
    fn what_is_not_understood_becomes_none() {
        for body in [
            "    return method == 'GET' and path != '/admin'",
            "    return not (method == 'GET' and path == '/admin')",
            "    if method == 'GET' and path == '/secret':\n        return False\n    return True",
            "    if path == '/secret':\n        return False\n    return method == 'GET'",
            "    if method == 'GET':\n        if path == '/a':\n            return True\n    return False",
            "    return method == 'GET' and path == '/a' and is_weekday()",
            "    return method == 'GET' and 'x' in path",
            "    return method == 'GET' and re.search(r'/a', path)",
            "    return method == 'GET' and re.match(r'/(?!admin)', path)",
            "    return method == 'GET' and re.match(r'/a', path, re.I)",
            "    return method == 'GET' and path == f'/users/{USER}'",
            "    return method == 'GET' and path == ROOT + '/a'",
            "    return method == 'GET' and path == '/a' == OTHER",
            "    return method == METHOD and path == '/a'",
            "    return method.upper() == 'GET' and path == '/a'",
            "    return path == '/a' and path == '/b'",
            "    while True:\n        return True",
            "    try:\n        return True",
            "    if path == '/a':\n        return True\n    else:\n        return False",
            "    if path == '/a' if OPEN else False:\n        return True",
            "    return (method == 'GET' and path == '/a'",
            "    return path == '/a#b' or x",
            "    return lambda: True",
            "    log(path)\n    return True",
        ] {
            assert_eq!(of(body), None, "{body}");
        }
    }
}
