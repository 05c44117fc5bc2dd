"""Claude Code and Codex, as `magicproxy run` starts them, with what they send of their own accord and how often they ask again."""

import dataclasses

from harness.cases import Cases, equal, holds
from llm_stage import REASON, carried
from matrix import Row, npm
from upstreams.llm import SAID

_SCENARIOS = "a streamed answer, refusals, an upstream that is silent, other keys in the environment"
CLAUDE = Row("Claude Code", npm("@anthropic-ai/claude-code"), "aimock", _SCENARIOS)
CODEX = Row("Codex", npm("@openai/codex"), "aimock", _SCENARIOS)

ROWS = [CLAUDE, CODEX]
CASES = Cases()

#: An old key that a shell still holds.
STALE = "sk-ant-api03-stale"


@dataclasses.dataclass(frozen=True)
class Agent:
    row: Row
    upstream: str
    #: Where it asks its model.
    path: str
    #: The program's name, below which folder of `node_modules` it lies, and what asks it to say something.
    program: str
    package: str
    words: tuple

    def executable(self, stage):
        """The program itself, which the package for this machine brings, below the name by which `run` knows it."""
        packages = stage.node_folder / "node_modules"
        found = sorted(path for path in packages.glob(f"{self.package}*/**/{self.program}") if path.is_file())
        holds(found, f"there is no `{self.program}` below `{packages / self.package}*`")
        place = stage.folder / "agents"
        place.mkdir(exist_ok=True)
        link = place / self.program
        if not link.exists():
            link.symlink_to(found[-1].resolve())
        return link

    def ask(self, stage, token, proxy=None, **variables):
        """Has it say something, under `magicproxy run`."""
        file = stage.new_folder("agent") / "token"
        file.write_text(token)
        file.chmod(0o600)
        told = ["--upstream", self.upstream, "--proxy", f"{proxy or stage.llm.proxy}/{self.upstream}", "--token-file", file]
        return self._run(stage, [stage.binary, "run", *told, "--", self.executable(stage), *self.words], variables)

    def alone(self, stage, **variables):
        """The same without `run`."""
        return self._run(stage, [self.executable(stage), *self.words], variables)

    def _run(self, stage, command, variables):
        home = stage.new_folder("home")
        return stage.run(command, cwd=home, HOME=home, DISABLE_AUTOUPDATER="1", **variables)


EACH = [
    Agent(CLAUDE, "anthropic", "/v1/messages", "claude", "@anthropic-ai/claude-code", ("-p", "say hello")),
    Agent(CODEX, "openai", "/v1/responses", "codex", "@openai/codex", ("exec", "--skip-git-repo-check", "say hello")),
]
CLAUDE_CODE = EACH[0]


def case(name):
    """Registers a check once for each agent."""

    def register(check):
        for agent in EACH:
            CASES.case(f"{agent.row.client}: {name}", row=agent.row)(lambda stage, agent=agent: check(stage, agent))
        return check

    return register


@case("says what its model streams, whatever keys are in the environment")
def says(stage, agent):
    token = fresh(stage, agent)
    others = {"ANTHROPIC_API_KEY": STALE, "ANTHROPIC_AUTH_TOKEN": STALE, "OPENAI_API_KEY": STALE, "OPENAI_BASE_URL": "http://127.0.0.1:9"}
    others = {name: value for name, value in others.items() if name.startswith(agent.upstream.upper())}
    said = agent.ask(stage, token, **others)
    holds(said.returncode == 0 and SAID in said.stdout, f"it said {said.stdout} {said.stderr}")
    arrived = asked(stage, agent)
    holds(arrived, "its model was asked")
    carried(arrived, agent.upstream, token)
    holds(STALE not in repr(arrived), "another key reached the API")


@case("is refused what the token does not allow, and says why")
def refused(stage, agent):
    fresh(stage, agent)
    said = agent.ask(stage, stage.llm.token(agent.upstream, "GET /v1/other"))
    holds(said.returncode != 0 and REASON in said.stdout + said.stderr, f"it said {said.stdout} {said.stderr}")
    equal(asked(stage, agent), [], "what reached the API")


@case("asks no more than twice where the upstream does not answer, and says why")
def late(stage, agent):
    token = fresh(stage, agent)
    stage.llm.llm.mute()
    said = agent.ask(stage, token, proxy=stage.llm.impatient)
    holds(said.returncode != 0 and "did not answer in time" in said.stdout + said.stderr, f"it said {said.stdout} {said.stderr}")
    count = len(asked(stage, agent))
    holds(1 <= count <= 2, f"{count} answers were asked of the API")


@CASES.case("Claude Code: a key that was left over beside the token is refused, and it says which carrier holds what", row=CLAUDE)
def left_over(stage):
    token = fresh(stage, CLAUDE_CODE)
    base = f"{stage.llm.proxy}/anthropic"
    said = CLAUDE_CODE.alone(stage, ANTHROPIC_BASE_URL=base, ANTHROPIC_API_KEY=token, ANTHROPIC_AUTH_TOKEN=STALE)
    words = "`authorization` holds something that is no magic token, such as an API's own key, the header for API keys holds a magic token"
    holds(said.returncode != 0 and words in said.stdout, f"it said {said.stdout} {said.stderr}")
    equal(stage.llm.llm.take(), [], "what reached the API")


def fresh(stage, agent):
    """A token that may ask the agent's model; nothing has arrived yet, and streams come as they are."""
    stage.llm.llm.stream()
    stage.llm.llm.take()
    return stage.llm.token(agent.upstream, f"POST {agent.path}")


def asked(stage, agent):
    """The questions to its model that have arrived."""
    return [request for request in stage.llm.llm.take() if request.target.split("?")[0] == agent.path]
