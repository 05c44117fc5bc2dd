"""One file for each kind of attack; `CASES` in each is its part of the table."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    #: What the attacker does, in a few words.
    summary: str
    run: typing.Callable


class Cases(list):
    def case(self, name, summary):
        def register(check):
            self.append(Case(name, summary, check))
            return check

        return register
