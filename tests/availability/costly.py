"""Rules that are short to write and long to compile, or to match."""

_RULES = 6


def costly_to_compile(number):
    """Rules of some 50 ms together, other ones for each number: a sealed token with them is below 800 bytes. They allow `/small`.

    Each needs an automaton that remembers nine characters: some 1,000 states. They are told apart in two letters, because each
    further byte that a pattern tells from others makes its table wider than a rule's may be.
    """
    return [*(f"GET /{_in_two_letters(number * _RULES + rule)}.*x.{{9}}" for rule in range(_RULES)), "GET /small"]


def _in_two_letters(number):
    return f"{number:016b}".translate(str.maketrans("01", "xy"))


def costly_to_match(count=411):
    """Rules that each read a whole path to its end, whatever stands there, and a last one that allows it."""
    return [*(f"GET /.*q{number:x}z" for number in range(count - 1)), "GET /.*a.*"]


def path_of_twelve_readings(length=4080):
    """A long path that `encoded_slash = "both"` reads in twelve ways, all of them nearly as long."""
    ends = "%EF%BC%9Fa%3Fa%EF%BC%83a%23a%EF%BC%9Ba"
    return "/a%2F" + "a" * (length - len(ends)) + ends
