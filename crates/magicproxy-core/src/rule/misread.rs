//! Rules that do not mean what was typed: globs, query strings, other tools' placeholders, URLs.
//! `rules.md` section 7.
//!
//! Judged when a rule is written, never when a token is verified: a rule in a token keeps the
//! meaning of its text.

mod pieces;

use super::raw::{RawRule, RuleObject};
use super::{Method, shorten, text};
use pieces::{Kind, Piece, pieces};

/// The probable intention behind a text, with the form that expresses the intention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MisreadRule {
    #[error("write `{0}`")]
    Methods(String),
    #[error("the method is missing: write `{0}`, or `*` for every method")]
    NoMethod(String),
    #[error("a rule names a path and no host: write `{0}`")]
    Url(String),
    #[error(
        "a rule never sees the query, and this `?` makes the character before it optional: write `{0}`"
    )]
    Query(String),
    #[error(
        "`*` and `+` repeat the `/` before them: write `{everything}` for everything below, `{segment}` for one segment"
    )]
    Slash { everything: String, segment: String },
    #[error("`*` and `+` repeat the `/` before them: write `{0}`, in which `[^/]+` is one segment")]
    InnerSlash(String),
    #[error(
        "`*` repeats the character before it: write `{0}` for any text up to the next `/` (`\\*` is a literal star)"
    )]
    Glob(String),
    #[error("`**` repeats a repetition: write `{0}`, in which `.*` is any text")]
    DoubleStar(String),
    #[error("`{found}` is a placeholder, which patterns do not have: write `{right}`")]
    Placeholder { found: String, right: String },
    #[error(
        "`{found}` is read as it stands: write `{right}` (a segment that begins with `:` is written `[:]…`)"
    )]
    Colon { found: String, right: String },
    #[error(
        "`{found}` is read as it stands in a template: write `{right}`, where `{{x}}` is one segment and `{{x*}}` the rest"
    )]
    Template { found: String, right: String },
    #[error("a rule never sees the query: write `{0}`")]
    TemplateQuery(String),
    #[error(
        "words are for the command line: write an object such as {{\"git\": \"fetch\", \"repository\": \"/acme/site\"}}"
    )]
    GitWords,
}

/// Returns the misreading that a rule invites, if any.
pub(super) fn of(raw: &RawRule) -> Option<MisreadRule> {
    match raw {
        RawRule::Text(rule) => of_text(rule),
        RawRule::Object(object) => of_object(object),
        RawRule::Git(object) => of_template(&object.members.repository, ""),
        RawRule::Plugin(_) => None,
    }
}

fn of_object(object: &RuleObject) -> Option<MisreadRule> {
    let written = object.path.as_deref().or(object.route.as_deref())?;
    if let Some(path) = path_of_url(written) {
        return Some(MisreadRule::Url(path.to_owned()));
    }
    match (&object.path, &object.route) {
        (Some(pattern), None) => of_pattern(pattern, ""),
        (None, Some(template)) => of_template(template, ""),
        _ => None,
    }
}

fn of_text(rule: &str) -> Option<MisreadRule> {
    if rule.starts_with("git ") {
        return Some(MisreadRule::GitWords);
    }
    if let Some(right) = without_method(rule) {
        return Some(right);
    }
    let (methods, target) = rule.split_once(' ')?;
    let before = format!("{methods} ");
    if let Some(path) = path_of_url(target) {
        return Some(MisreadRule::Url(format!("{before}{path}")));
    }
    match target.strip_prefix(text::ROUTE) {
        Some(template) => of_template(template, &format!("{before}{}", text::ROUTE)),
        None => of_pattern(target, &before),
    }
}

/// Finds methods that are missing, in lower case, with a comma between, or with other blanks around
/// them.
fn without_method(rule: &str) -> Option<MisreadRule> {
    let begins = [rule.find(['/', '^', '.', '(', '[']), rule.find("http"), rule.find(text::ROUTE)];
    let target = begins.into_iter().flatten().min()?;
    let (words, target) = rule.split_at_checked(target)?;
    let target = target.trim_end();
    let path = path_of_url(target).unwrap_or(target);
    let words: Vec<&str> =
        words.split([',', '|', ' ', '\t', ':']).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return target
            .starts_with(['/', 'h', 'r'])
            .then(|| MisreadRule::NoMethod(shorten(&format!("GET {path}"))));
    }
    let mut methods = Vec::with_capacity(words.len());
    for word in words {
        methods.push(method(word)?);
    }
    let methods = methods.join("|");
    let (typed, _) = rule.split_once(target)?;
    if typed == format!("{methods} ") && !rule.ends_with(' ') {
        return None;
    }
    Some(MisreadRule::Methods(shorten(&format!("{methods} {path}"))))
}

/// Returns a word in any case as a method of a rule.
fn method(word: &str) -> Option<String> {
    let upper = word.to_ascii_uppercase();
    match upper.as_str() {
        "*" | "ANY" | "ALL" => Some("*".to_owned()),
        _ => Method::parse(&upper).ok().map(|method| method.as_str().to_owned()),
    }
}

/// Returns the path of a URL, without its query.
fn path_of_url(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let path = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or("/");
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(if path.is_empty() { "/" } else { path })
}

/// Judges a pattern; `before` is the text before the pattern in a rule of the string form.
fn of_pattern(pattern: &str, before: &str) -> Option<MisreadRule> {
    let pieces = pieces(pattern);
    let found = pieces
        .iter()
        .enumerate()
        .find_map(|(at, _)| Scan { pattern, before, pieces: &pieces, at }.misread());
    found.or_else(|| placeholder(pattern, before, &pieces))
}

/// A place in a pattern.
struct Scan<'p> {
    pattern: &'p str,
    before: &'p str,
    pieces: &'p [Piece<'p>],
    at: usize,
}

impl Scan<'_> {
    fn misread(&self) -> Option<MisreadRule> {
        let piece = self.piece(0)?;
        match piece.kind {
            Kind::Repeat if piece.text == "?" => self.query(),
            Kind::Repeat if self.is_literal(-1, '/') => self.slash(),
            Kind::Repeat if piece.text == "*" && self.is_repeat(1, "*") => {
                Some(MisreadRule::DoubleStar(self.replaced("*", 2)))
            }
            Kind::Repeat if piece.text == "*" => self.glob(),
            Kind::Literal => self.colon(),
            _ => None,
        }
    }

    fn piece(&self, offset: isize) -> Option<&Piece<'_>> {
        self.pieces.get(self.at.checked_add_signed(offset)?)
    }

    fn is_literal(&self, offset: isize, character: char) -> bool {
        self.piece(offset).is_some_and(|piece| piece.is_literal(character))
    }

    fn is_repeat(&self, offset: isize, text: &str) -> bool {
        self.piece(offset)
            .is_some_and(|piece| matches!(piece.kind, Kind::Repeat) && piece.text == text)
    }

    /// Finds a query, as in `?per_page=1`.
    fn query(&self) -> Option<MisreadRule> {
        let piece = self.piece(0)?;
        is_query(self.pattern.get(piece.end()..)?).then(|| {
            MisreadRule::Query(self.right(self.pattern.get(..piece.start).unwrap_or_default()))
        })
    }

    /// Finds `/*` and `/+`. A `/?` is fine: an ordinary way to make a final slash optional.
    fn slash(&self) -> Option<MisreadRule> {
        if self.is_repeat(0, "?") {
            return None;
        }
        let stars = 1 + self
            .pieces
            .iter()
            .skip(self.at + 1)
            .take_while(|piece| matches!(piece.kind, Kind::Repeat))
            .count();
        let next = self.pieces.get(self.at + stars);
        Some(match next {
            None => MisreadRule::Slash {
                everything: self.replaced(".*", stars),
                segment: self.replaced("[^/]+", stars),
            },
            Some(next) if next.is_literal('/') => {
                MisreadRule::InnerSlash(self.replaced("[^/]+", stars))
            }
            Some(_) => MisreadRule::Glob(self.replaced("[^/]*", stars)),
        })
    }

    /// Finds a glob, as in `/acme-*`: a character of a name, repeated at the end of an otherwise
    /// literal segment.
    fn glob(&self) -> Option<MisreadRule> {
        if !self.piece(-1).is_some_and(is_of_a_name) {
            return None;
        }
        let ends_segment = self.piece(1).is_none_or(|piece| piece.is_literal('/'));
        if !ends_segment {
            return None;
        }
        // An author of other operators in the segment means this operator, too.
        for piece in self.pieces.get(..self.at).unwrap_or_default().iter().rev() {
            if piece.is_literal('/') {
                break;
            }
            if !matches!(piece.kind, Kind::Literal) {
                return None;
            }
        }
        Some(MisreadRule::Glob(self.replaced("[^/]*", 1)))
    }

    /// Finds a placeholder such as `/:id`.
    fn colon(&self) -> Option<MisreadRule> {
        let piece = self.piece(0)?;
        if !(piece.is_literal(':') && self.is_literal(-1, '/')) {
            return None;
        }
        let rest = self.pattern.get(piece.end()..)?;
        let name = name_of(rest)?;
        let found = format!(":{name}");
        Some(MisreadRule::Colon { right: self.templated(), found })
    }

    /// Returns the rule with this and the following pieces replaced.
    fn replaced(&self, by: &str, pieces: usize) -> String {
        let end = self.pieces.get(self.at + pieces - 1).map_or(self.pattern.len(), Piece::end);
        let start = self.piece(0).map_or(0, |piece| piece.start);
        let (head, tail) = (
            self.pattern.get(..start).unwrap_or_default(),
            self.pattern.get(end..).unwrap_or_default(),
        );
        let tail = if tail.starts_with('.') && by.ends_with("[^/]*") {
            format!("\\{tail}")
        } else {
            tail.to_owned()
        };
        self.right(&format!("{head}{by}{tail}"))
    }

    fn right(&self, pattern: &str) -> String {
        shorten(&format!("{}{pattern}", self.before))
    }

    fn templated(&self) -> String {
        templated(self.pattern, self.before)
    }
}

/// Finds placeholders such as `{id}` and `<id>`.
fn placeholder(pattern: &str, before: &str, pieces: &[Piece<'_>]) -> Option<MisreadRule> {
    let found = match pieces.iter().find(|piece| matches!(piece.kind, Kind::Braces)) {
        Some(braces) => braces.text,
        None => {
            pattern.split('/').find(|segment| segment.starts_with('<') && segment.ends_with('>'))?
        }
    };
    Some(MisreadRule::Placeholder { found: shorten(found), right: templated(pattern, before) })
}

/// Returns the template that a path with placeholders of any kind was meant to be, or a pattern if
/// the path holds operators, too.
fn templated(pattern: &str, before: &str) -> String {
    const OPERATORS: [char; 11] = ['*', '+', '?', '(', '[', '\\', '|', '^', '$', '{', '<'];
    let mut all_plain = true;
    let (mut template, mut regex) = (Vec::new(), Vec::new());
    for segment in pattern.split('/') {
        match capture(segment) {
            Some(name) => {
                template.push(format!("{{{name}}}"));
                regex.push("[^/]+");
            }
            None => {
                all_plain &= !segment.contains(OPERATORS);
                template.push(segment.to_owned());
                regex.push(segment);
            }
        }
    }
    if all_plain && !before.is_empty() {
        return shorten(&format!("{before}{}{}", text::ROUTE, template.join("/")));
    }
    if all_plain {
        return shorten(&format!("\"route\": \"{}\"", template.join("/")));
    }
    shorten(&format!("{before}{}", regex.join("/")))
}

/// Returns the name in a segment that is a placeholder of some tool: `{id}`, `{id:int}`,
/// `{rest...}`, `:id`, `<id>`, `<int:id>`.
fn capture(segment: &str) -> Option<&str> {
    let braced = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if let Some(inside) = braced.or_else(|| segment.strip_prefix(':')) {
        return name_of(inside.trim_start_matches('*'));
    }
    let inside = segment.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'))?;
    name_of(inside.rsplit(':').next().unwrap_or(inside))
}

/// Returns the name at the beginning of a text.
fn is_of_a_name(piece: &Piece<'_>) -> bool {
    let is_legal = |character: char| character.is_ascii_alphanumeric() || "-_~".contains(character);
    matches!(piece.kind, Kind::Literal) && piece.text.chars().all(is_legal)
}

fn name_of(text: &str) -> Option<&str> {
    let legal = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = text.find(|character| !legal(character)).unwrap_or(text.len());
    text.get(..end)
        .filter(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'))
}

/// True if a query such as `per_page=1` begins here.
fn is_query(text: &str) -> bool {
    let legal =
        |character: char| character.is_ascii_alphanumeric() || "_.-~%[]".contains(character);
    let end = text.find(|character| !legal(character)).unwrap_or(text.len());
    end > 0 && text.get(end..).is_some_and(|rest| rest.starts_with('='))
}

/// Judges a template; `before` is the text before the template in a rule of the string form.
fn of_template(template: &str, before: &str) -> Option<MisreadRule> {
    if let Some((path, _)) = template.split_once('?').filter(|(_, query)| is_query(query)) {
        return Some(MisreadRule::TemplateQuery(shorten(&format!("{before}{path}"))));
    }
    let segments: Vec<&str> = template.split('/').collect();
    let found = segments.iter().find(|segment| template_capture(segment).is_some())?;
    let last = segments.len() - 1;
    let mut right = Vec::with_capacity(segments.len());
    for (at, segment) in segments.iter().enumerate() {
        right.push(match template_capture(segment) {
            Some("rest") if at == last => "{rest*}".to_owned(),
            Some("rest") => "{any}".to_owned(),
            Some(name) => format!("{{{name}}}"),
            None => (*segment).to_owned(),
        });
    }
    Some(MisreadRule::Template {
        found: shorten(found),
        right: shorten(&format!("{before}{}", right.join("/"))),
    })
}

/// Returns the name of the capture that a literal segment of a template was meant to be.
fn template_capture(segment: &str) -> Option<&str> {
    match segment {
        "*" | "**" | ".*" | ".+" => Some("rest"),
        _ if segment.starts_with("[^") => Some("rest"),
        _ if segment.starts_with([':', '<']) => capture(segment),
        _ => None,
    }
}
