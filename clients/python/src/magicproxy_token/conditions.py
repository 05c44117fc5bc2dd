"""The conditions of a rule, as far as they can be checked without the proxy: conditions.md sections
1, 2 and 7. The proxy decides about the syntax of patterns and the captures of a route.
"""

import json
import re

from .form import CONDITIONS, TokenError
from .git_rules import GitReader

_MAX_BYTES = 8192
_MAX_TESTS = 256
_MAX_NESTING = 8
_MAX_NAMES = 64
_MAX_VALUES = 256
_MAX_TEXT = 1024
_MAX_MEDIA_TYPES = 16
_MAX_INTEGER = 9007199254740991

#: The words of a test, each with the number of its combination.
_WORDS = {"glob": 0, "pattern": 0, "min": 1, "max": 1, "each": 2, "count": 2, "object": 3, "type": 4, "absent": 5}
_TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
_TEXT_TYPES = ("string", "integer", "boolean")

#: Words of other languages, and what is written here in their place.
_GUESSES = {
    "eq": "the value itself",
    "equals": "the value itself",
    "const": "the value itself",
    "is": "the value itself",
    "in": "a list of values",
    "enum": "a list of values",
    "one_of": "a list of values",
    "any_of": "a list of values",
    "regex": "`pattern`",
    "matches": "`pattern`",
    "prefix": "`glob` with `*` at the end",
    "suffix": "`glob` with `*` in front",
    "starts_with": "`glob` with `*` at the end",
    "ends_with": "`glob` with `*` in front",
    "items": "`each`",
    "every": "`each`",
    "properties": "`object`",
    "members": "`object`",
    "only": "`object`",
    "required": "the name without `?`",
    "optional": "the name with `?` behind",
}

_OVERRIDES = (
    "_method",
    "$method",
    "_httpmethod",
    "$httpmethod",
    "$httpheaders",
    "x_http_method_override",
    "x_http_method",
    "x_method_override",
)
_FIELDS_OF_CONNECTION = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "connection",
    "content-length",
    "content-encoding",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "accept-encoding",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
)
_WITHOUT_CONTENT = ("*", "GET", "HEAD", "OPTIONS")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+/[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_FIELD = re.compile(r"[a-z0-9!#$%&'*+.^`|~-]+", re.ASCII)


class _Fault(Exception):
    pass


def check_conditions(rules):
    """Refuses rules with conditions that no proxy would take. Whether the rules are rules is not asked.
    """
    for number, rule in enumerate(rules if isinstance(rules, list) else [], 1):
        members = {name: rule[name] for name in CONDITIONS if name in rule} if isinstance(rule, dict) else {}
        is_for_git = isinstance(rule, dict) and "git" in rule
        if not members and not is_for_git:
            continue
        try:
            if is_for_git:
                GitReader(_Reader(rule)).rule(rule)
            else:
                _Reader(rule).conditions(members)
        except _Fault as fault:
            raise TokenError("rule", f"rule {number}: {fault}") from None


def _listed(value):
    return value if isinstance(value, list) else [value]


def _length(text):
    return len(text.encode("utf-8", "surrogatepass"))


def _has_controls(text):
    return any(character < " " or character == "\x7f" for character in text)


def _is_integer(value):
    # In Python, True is an integer.
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER


class _Reader:
    """The reader of a rule's conditions, with the tests so far, and the way to what is read."""

    def __init__(self, rule):
        self.rule = rule
        self.way = []
        self.tests = 0
        self.nesting = 0

    def fail(self, message):
        raise _Fault(f"`{'.'.join(self.way)}`: {message}")

    def at(self, name, read, *arguments):
        self.way.append(_shown(name))
        read(*arguments)
        self.way.pop()

    def conditions(self, members):
        if "captures" in members:
            self.at("captures", self.captures, members["captures"])
        if "headers" in members:
            self.at("headers", self.names, members["headers"], "headers")
        if "content_type" in members:
            self.at("content_type", self.media_types, members["content_type"])
        self.body(members)
        for name in ("json", "form"):
            if name in members:
                self.at(name, self.names, members[name], name)
        if "json_each" in members:
            self.at("json_each", self.value, members["json_each"], "json")
        if members.get("query", "any") != "any":
            self.at("query", self.query, members["query"])
        # Only what was checked can be written as JSON.
        if _length(json.dumps(members, separators=(",", ":"), ensure_ascii=False)) > _MAX_BYTES:
            self.at("conditions", self.too_large)

    def too_large(self):
        self.fail(f"the conditions of a rule have at most {_MAX_BYTES} bytes, and {_MAX_TESTS} tests")

    def captures(self, value):
        if "route" not in self.rule:
            self.fail("captures are those of a `route`, and this rule has a `path`")
        self.names(value, "captures")

    def query(self, value):
        if not isinstance(value, dict):
            self.fail('expected an object of names and tests, or "any"')
        self.names(value, "query")

    def body(self, members):
        """Checks which members stand together."""
        shape = next((name for name in ("json", "json_each", "form") if name in members), None)
        body = members.get("body")
        if "body" in members and body not in ("none", "any"):
            self.at("body", self.fail, 'expected "none" or "any"')
        if body and shape:
            self.at("body", self.fail, f"a body is `{body}` or has the tests of `{shape}`, not both")
        if shape and not _has_content(self.rule.get("method")):
            wanted = "lists methods with content; `*`, `GET`, `HEAD` and `OPTIONS` have none"
            self.at(shape, self.fail, f"a rule with `{shape}` {wanted}")
        if "content_type" in members and not shape and body != "any":
            message = '`content_type` stands beside `json`, `json_each`, `form` or `"body": "any"`'
            self.at("content_type", self.fail, message)

    def media_types(self, value):
        types = _listed(value)
        are_types = all(isinstance(one, str) and _MEDIA_TYPE.fullmatch(one) for one in types)
        if not 1 <= len(types) <= _MAX_MEDIA_TYPES or not are_types:
            self.fail('expected a media type such as "application/json", or a list of them')

    def names(self, value, place):
        if not isinstance(value, dict):
            self.fail('expected an object of names and tests, such as {"base": "main"}')
        if len(value.keys() - {"*"}) > _MAX_NAMES:
            self.fail(f"at most {_MAX_NAMES} names can be listed")
        known = []
        for written in sorted(value):
            self.at(written, self.member, written, value[written], place, known)

    def member(self, written, value, place, known):
        if written == "*":
            if place in ("captures", "headers"):
                self.fail("`*` stands in `query`, `form`, `json` and `object` only")
            self.value(value, place)
            return
        name = self.name(written, place)
        self.value(value, place)
        if isinstance(value, dict) and "absent" in value:
            if name.is_optional:
                self.fail("`absent` says that the name is not there, and `?` that it may be missing")
            if place == "captures" or name.has_keys:
                self.fail("`absent` has no meaning here")
        twin = next((other for other in known if name.is_twin_of(other, place)), None)
        if twin:
            self.fail(f"some readers take this name for `{_shown(twin.text)}`, which is listed, too")
        known.append(name)

    def name(self, written, place):
        name = _Name(written)
        if name.text is None:
            self.fail("`\\` in a name stands before `?`, `*`, `[` or `\\` only")
        if not 1 <= _length(name.text) <= 128 or _has_controls(name.text):
            self.fail("a name has 1 to 128 bytes, and no control characters")
        if name.has_keys and place not in ("query", "form"):
            self.fail("`[*]` stands in `query` and `form` only")
        if place == "captures" and name.is_optional:
            self.fail("`?` has no meaning here: a capture is never missing")
        if place == "headers":
            self.field(name.text)
        elif place != "captures" and _names_method(name.text):
            self.fail("some readers take this name for one that overrides the method")
        return name

    def field(self, text):
        if not _FIELD.fullmatch(text):
            self.fail("names of header fields are tokens in lower case, without `_`")
        if text.startswith("sec-websocket-") or text in _FIELDS_OF_CONNECTION:
            self.fail("this header field carries a token, or belongs to the connection or the body")

    def value(self, value, place):
        self.tests += 1
        if self.tests > _MAX_TESTS:
            self.too_large()
        if isinstance(value, dict):
            self.words(value, place)
        elif not isinstance(value, list):
            self.scalar(value, place)
        elif not 1 <= len(value) <= _MAX_VALUES or any(isinstance(one, (dict, list)) for one in value):
            self.wrong_list()
        else:
            for one in value:
                self.scalar(one, place)

    def wrong_list(self):
        self.fail(f"a list of values holds 1 to {_MAX_VALUES} texts, integers, booleans or null")

    def wrong_value(self):
        words = "`glob`, `pattern`, `min`, `max`, `each`, `count`, `object`, `type` or `absent`"
        self.fail(f"expected a value, a list of values, {{}}, or an object with {words}")

    def scalar(self, value, place):
        if isinstance(value, str):
            if _length(value) > _MAX_TEXT or _has_controls(value):
                self.fail(f"a text has at most {_MAX_TEXT} bytes, and no control characters")
        elif value is None:
            if place != "json":
                self.text_only("null")
        elif not isinstance(value, bool):
            self.integer(value)

    def text_only(self, word):
        self.fail(f"`{word}` is for JSON bodies only: a value here is a text")

    def integer(self, value):
        if not _is_integer(value):
            self.fail(f"a number is an integer from -{_MAX_INTEGER} to {_MAX_INTEGER}, without fraction or exponent")

    def words(self, value, place):
        found = sorted(value)
        for word in found:
            if word in _GUESSES:
                self.fail(f"`{word}` is not a word of conditions; write {_GUESSES[word]}")
            if word not in _WORDS:
                self.wrong_value()
            if _WORDS[word] != _WORDS[found[0]]:
                self.fail(f"`{found[0]}` and `{word}` do not go together")
        if "glob" in value:
            for glob in self.texts(value["glob"]):
                self.glob(glob)
        if "pattern" in value:
            for pattern in self.texts(value["pattern"]):
                self.measure(pattern)
        if "min" in value or "max" in value:
            self.range(value)
        if "each" in value or "count" in value:
            self.list(value, place)
        if "object" in value:
            self.object(value["object"], place)
        if "type" in value:
            self.types(value["type"], place)
        if value.get("absent", True) is not True:
            self.fail("`absent` is `true`, or is left out")

    def texts(self, value):
        texts = _listed(value)
        if not 1 <= len(texts) <= _MAX_VALUES:
            self.wrong_list()
        if not all(isinstance(text, str) for text in texts):
            self.wrong_value()
        return texts

    def measure(self, pattern):
        if not pattern:
            self.fail("the pattern is empty")
        if _length(pattern) > _MAX_TEXT:
            self.fail(f"the text is longer than {_MAX_TEXT} bytes")

    def glob(self, glob):
        self.measure(glob)
        bare = re.sub(r"\\[*\\]", "", glob)
        if "\\" in bare:
            self.fail("in a glob `\\` stands before `*` or `\\` only")
        if not re.fullmatch("[ -~]*", bare):
            self.fail("a glob holds visible ASCII and blanks only; another text is written as it is, without `glob`")

    def range(self, value):
        least, most = value.get("min", -_MAX_INTEGER), value.get("max", _MAX_INTEGER)
        self.integer(least)
        self.integer(most)
        if least > most:
            self.fail("`min` is greater than `max`")

    def list(self, value, place):
        if place in ("captures", "headers"):
            self.text_only("each")
        if "count" in value:
            self.count(value["count"])
        if "each" not in value:
            return
        each = value["each"]
        self.deeper(self.at, "each", self.value, each, place)
        if not isinstance(each, dict):
            return
        if "absent" in each:
            self.fail("`absent` has no meaning here")
        if place != "json" and each.keys() & {"each", "count"}:
            self.text_only("each")

    def count(self, count):
        is_end = lambda end: _is_integer(end) and end >= 0  # noqa: E731
        is_range = isinstance(count, dict) and count and count.keys() <= {"min", "max"} and all(map(is_end, count.values()))
        if not is_range and not is_end(count):
            self.fail("`count` is a number of elements, or an object with `min`, `max` or both")
        if is_range and count.get("min", 0) > count.get("max", _MAX_INTEGER):
            self.fail("`min` is greater than `max`")

    def object(self, value, place):
        if place != "json":
            self.text_only("object")
        self.deeper(self.names, value, place)

    def types(self, value, place):
        types = _listed(value)
        if not types or not all(isinstance(one, str) and one in _TYPES for one in types):
            known = ", ".join(f"`{one}`" for one in _TYPES)
            self.fail(f"`type` is one of {known}, or a list of them")
        other = next((one for one in types if one not in _TEXT_TYPES), None)
        if other and place != "json":
            self.text_only(other)

    def deeper(self, read, *arguments):
        if self.nesting == _MAX_NESTING:
            self.fail(f"`each` and `object` go at most {_MAX_NESTING} levels deep")
        self.nesting += 1
        read(*arguments)
        self.nesting -= 1


class _Name:
    """A name with its marks read; `text` is None where a `\\` has no meaning."""

    def __init__(self, written):
        rest, self.is_optional = _without_mark(written, "?")
        rest, self.has_keys = _without_mark(rest, "[*]")
        is_right = re.fullmatch(r"(?:[^\\]|\\[?*\[\\])*", rest, re.DOTALL)
        self.text = re.sub(r"\\(.)", r"\1", rest, flags=re.DOTALL) if is_right else None

    def is_twin_of(self, other, place):
        """True if some reader takes the two names for one: section 4.3."""
        if self.text == other.text and self.has_keys == other.has_keys:
            return True
        if place in ("captures", "headers") or _lenient(self.text) != _lenient(other.text):
            return False
        have_brackets = all(name.has_keys or "[" in name.text for name in (self, other))
        return place == "json" or not have_brackets


def _without_mark(name, mark):
    """Takes a mark off the end of a name, unless a `\\` takes the mark's meaning away."""
    rest = name.removesuffix(mark)
    if rest == name or (len(rest) - len(rest.rstrip("\\"))) % 2 == 1:
        return name, False
    return rest, True


def _has_content(method):
    return all(isinstance(words, str) and not set(words.split("|")) & set(_WITHOUT_CONTENT) for words in _listed(method))


def _lenient(name):
    """Returns a name as the most lenient readers see it: without case, `_`, `-`, and in front `$`, `@` and `@odata.`."""
    folded = "".join(character.lower().upper().lower() for character in name)
    return re.sub(r"^\$*(@(odata\.)?)?", "", re.sub("[_\u0307-]", "", folded))


def _names_method(name):
    """True if some reader takes the name for one that overrides the method: request-target.md
    section 3.
    """

    def overrides(text):
        bare = re.split(r"[\[\]]", re.sub(r"^[\s+\[\]]+", "", text))[0]
        return re.sub(r"[\s+.-]", "_", re.sub(r"[\s+]+$", "", bare).lower()) in _OVERRIDES

    return overrides(name) or ("[" in name and "]" not in name and overrides(name.replace("[", "_")))


def _shown(name):
    """Returns a name for a message: in a single line, and not too long."""
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in name[:40])
    return f"{text}…" if len(name) > 40 else text
