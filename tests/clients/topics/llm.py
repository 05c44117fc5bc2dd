"""The SDKs of OpenAI and Anthropic, for Python and JavaScript, with their own retries, and streams event by event."""

import dataclasses
import functools
import itertools

import recipes
from harness.cases import Cases, equal, holds
from harness.patience import HANGS
from llm_stage import CREDENTIAL, REASON, carried
from matrix import Row, npm, pip
from upstreams.llm import INTERNAL_ERROR, NO_ERROR, PIECES, SAID

_SCENARIOS = "plain, streams event by event (HTTP/1.1 and 2), leaving a stream, refusals"
_MOCK = "aimock"

OPENAI_PYTHON = Row("openai (Python)", pip("openai"), _MOCK, f"{_SCENARIOS}, upload, recipe; sync and async")
OPENAI_NODE = Row("openai (JavaScript)", npm("openai"), _MOCK, f"{_SCENARIOS}, upload, recipe")
ANTHROPIC_PYTHON = Row("anthropic (Python)", pip("anthropic"), _MOCK, f"{_SCENARIOS}, batch, recipe; sync and async")
ANTHROPIC_NODE = Row("@anthropic-ai/sdk (JavaScript)", npm("@anthropic-ai/sdk"), _MOCK, f"{_SCENARIOS}, batch, recipe")

ROWS = [OPENAI_PYTHON, OPENAI_NODE, ANTHROPIC_PYTHON, ANTHROPIC_NODE]
CASES = Cases()

#: Where each API is asked.
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}

_numbers = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Client:
    """One way to call one API."""

    row: Row
    api: str
    sync: bool = True

    @property
    def upstream(self):
        return "anthropic" if self.api == "messages" else "openai"

    @property
    def path(self):
        return PATHS[self.api]

    @property
    def node(self):
        return self.row in (OPENAI_NODE, ANTHROPIC_NODE)

    def __str__(self):
        kind = "" if self.node else ", sync" if self.sync else ", async"
        return f"{self.row.client}, {self.api}{kind}"

    def ask(self, stage, act, token, proxy=None, **job):
        """The outcome of a call, through the proxy."""
        conversation = stage.llm.node_sdks if self.node else stage.llm.python_sdks
        # As each SDK has it: Anthropic's adds `/v1` itself.
        base = f"{proxy or stage.llm.proxy}/{self.upstream}" + ("" if self.upstream == "anthropic" else "/v1")
        return conversation.ask({"act": act, "api": self.api, "sync": self.sync, "token": token, "baseURL": base, "timeout": HANGS} | job)


EVERY = [
    *(Client(OPENAI_PYTHON, api, sync) for api in ("chat", "responses") for sync in (True, False)),
    *(Client(OPENAI_NODE, api) for api in ("chat", "responses")),
    *(Client(ANTHROPIC_PYTHON, "messages", sync) for sync in (True, False)),
    Client(ANTHROPIC_NODE, "messages"),
]
#: Each SDK with one API.
EACH = [client for client in EVERY if client.api != "responses"]
ANTHROPIC = [client for client in EACH if client.upstream == "anthropic"]
OPENAI = [client for client in EACH if client.upstream == "openai"]


def case(name, clients):
    """Registers a check once for each client, which it takes as its second argument."""

    def register(check):
        for client in clients:
            CASES.case(f"{client}: {name}", row=client.row)(functools.partial(check, client=client))
        return check

    return register


@case("a plain answer", EVERY)
def plain(stage, client):
    token = fresh(stage, client)
    equal(client.ask(stage, "plain", token), {"text": SAID}, "the outcome")
    one_arrived(stage, client, token)


@case("a plain answer with the token in X-Api-Key, where older versions have it", ANTHROPIC)
def older_carrier(stage, client):
    token = fresh(stage, client)
    equal(client.ask(stage, "plain", token, header="X-Api-Key"), {"text": SAID}, "the outcome")
    one_arrived(stage, client, token)


@case("each event of a stream is there before the next is sent", EVERY)
def event_by_event(stage, client, **how):
    token = fresh(stage, client)
    stage.llm.llm.stream(held=True, **how)
    outcome = client.ask(stage, "stream", token, stepURL=stage.llm.llm.step_url)
    equal(outcome.get("pieces"), PIECES, f"what was streamed: {outcome}")
    # When the client had 1 event, 1 had been sent; and so on.
    equal(outcome["steps"], list(range(1, len(outcome["steps"]) + 1)), "events sent when each was there")
    one_arrived(stage, client, token)


@case("each event of a stream that the API compresses is there before the next is sent", EACH)
def compressed(stage, client):
    event_by_event(stage, client, gzip=True)


@case("leaving a stream ends it at the API", EVERY)
def leaving(stage, client):
    token = fresh(stage, client)
    stage.llm.llm.stream(held=True)
    equal(client.ask(stage, "leave", token, goneURL=stage.llm.llm.gone_url), {"gone": "cut"}, "how the stream ended at the API")
    one_arrived(stage, client, token)


@case("HTTP/2 to the API: each event of a stream is there before the next is sent, and leaving one ends it there", EACH)
def by_http2(stage, client):
    token = fresh(stage, client)
    stage.llm.llm.stream(held=True)
    outcome = client.ask(stage, "stream", token, proxy=stage.llm.secure, stepURL=stage.llm.llm.step_url)
    equal(outcome.get("pieces"), PIECES, f"what was streamed: {outcome}")
    equal(outcome["steps"], list(range(1, len(outcome["steps"]) + 1)), "events sent when each was there")
    left = client.ask(stage, "leave", token, proxy=stage.llm.secure, goneURL=stage.llm.llm.gone_url)
    equal(left, {"gone": "cut"}, "how the stream ended at the API")
    arrived = stage.llm.llm.take()
    equal([request.values(":path") for request in arrived], [[client.path]] * 2, "what reached the API, in the fields of HTTP/2")
    carried(arrived, client.upstream, token)


@case("HTTP/2 to the API: a stream that it breaks off in the middle is an error, not a short answer", EACH)
def broken_off_by_http2(stage, client):
    broken_off(stage, client, stage.llm.secure)


@case("what no rule allows is refused once, and the exception says why", EACH)
def refused(stage, client):
    model = f"model-{next(_numbers)}"
    told(client.ask(stage, "retrieve", fresh(stage, client), model=model), 403, REASON)
    equal(stage.llm.attempts(f"/v1/models/{model}"), ["not_allowed"], "what the proxy was asked")
    equal(stage.llm.llm.take(), [], "what reached the API")


@case("what is no magic token is refused once, and the exception says why", EACH)
def missing_token(stage, client):
    fresh(stage, client)
    model = f"model-{next(_numbers)}"
    told(client.ask(stage, "retrieve", "sk-not-a-magic-token", model=model), 401, "this is not a magic token")
    equal(len(stage.llm.attempts(f"/v1/models/{model}")), 1, "how often the proxy was asked")
    equal(stage.llm.llm.take(), [], "what reached the API")


@case("the exception shows the API's own refusal of a wrong credential", EACH)
def wrong_credential(stage, client):
    fresh(stage, client)
    token = stage.llm.token(client.upstream, f"POST {client.path}", credential="sk-wrong")
    told(client.ask(stage, "plain", token), 401, "the upstream does not know this credential")
    equal(len(stage.llm.llm.take()), 1, "how many requests reached the API")


@case("uploads a file of 8 MB and reads it back", OPENAI)
def upload(stage, client):
    fresh(stage, client)
    token = stage.llm.token("openai", "POST /v1/files", "GET /v1/files/[^/]+/content")
    size = 8 << 20
    equal(client.ask(stage, "upload", token, size=size), {"size": size, "same": True}, "the outcome")
    arrived = stage.llm.llm.take()
    equal([request.method for request in arrived], ["POST", "GET"], "what reached the API")
    carried(arrived, "openai", token)


@case("the results of a batch, which are where the API says, are read through the proxy", ANTHROPIC)
def results(stage, client):
    fresh(stage, client)
    token = stage.llm.token("anthropic", "GET /v1/messages/batches/[^/]+", "GET /v1/messages/batches/[^/]+/results")
    equal(client.ask(stage, "results", token), {"ids": ["first"]}, "the outcome")
    arrived = stage.llm.llm.take()
    batch = "/v1/messages/batches/msgbatch_1"
    equal([request.target for request in arrived], [batch, f"{batch}/results"], "what reached the API")
    carried(arrived, "anthropic", token)


@case("a stream that the proxy ends for its silence is an error, not a short answer", EACH)
def silent(stage, client):
    token = fresh(stage, client)
    stage.llm.llm.stream(held=True)
    outcome = client.ask(stage, "stream", token, proxy=stage.llm.impatient)
    holds("error" in outcome, f"the client took {outcome} for an answer")
    one_arrived(stage, client, token)


@case("a stream that the API breaks off in the middle is an error, not a short answer", EACH)
def broken_off(stage, client, proxy=None, code=INTERNAL_ERROR):
    token = fresh(stage, client)
    stage.llm.llm.stream(cut=code)
    outcome = client.ask(stage, "stream", token, proxy=proxy, stepURL=stage.llm.llm.step_url)
    holds("error" in outcome, f"the client took {outcome} for an answer")
    one_arrived(stage, client, token)


@case("an answer for which the proxy does not wait is asked for once", EACH)
def late(stage, client):
    token = fresh(stage, client)
    stage.llm.llm.mute()
    told(client.ask(stage, "plain", token, proxy=stage.llm.impatient), 504, "the upstream did not answer in time")
    one_arrived(stage, client, token)


@case("what a model says stays as it is, even if it is a URL of the API", EACH)
def url(stage, client):
    token = fresh(stage, client)
    equal(client.ask(stage, "url", token), {"text": f"{stage.llm.llm.url}/v1/models"}, "the outcome")


@case("HTTP/2 to the API: a stream that it breaks off without an error code is an error all the same", EACH)
def broken_off_without_code(stage, client):
    broken_off(stage, client, stage.llm.secure, NO_ERROR)


@CASES.case("openai, both SDKs: the recipe", row=OPENAI_PYTHON)
def openai_recipe(stage):
    recipe(stage, "openai", OPENAI_API_KEY=CREDENTIAL)


@CASES.case("anthropic, both SDKs: the recipe", row=ANTHROPIC_PYTHON)
def anthropic_recipe(stage):
    recipe(stage, "anthropic", ANTHROPIC_API_KEY=CREDENTIAL)


def recipe(stage, upstream, **variables):
    stage.llm.llm.stream()
    stage.llm.llm.take()
    token = stage.llm.follow(upstream, upstream, **variables)
    arrived = stage.llm.llm.take()
    equal(len(arrived), 2, "how many requests reached the API, one from each SDK")
    carried(arrived, upstream, token)


def fresh(stage, client):
    """A token that may make this client's one call; nothing has arrived yet, and streams come as they are."""
    stage.llm.llm.stream()
    stage.llm.llm.take()
    return stage.llm.token(client.upstream, f"POST {client.path}")


def one_arrived(stage, client, token):
    arrived = stage.llm.llm.take()
    equal([(request.method, request.target) for request in arrived], [("POST", client.path)], "what reached the API")
    carried(arrived, client.upstream, token)


def told(outcome, status, reason):
    """The call failed with an exception that shows the reason."""
    error = outcome.get("error")
    holds(error is not None, f"it was not refused: {outcome}")
    equal(error["status"], status, f"status of {error}")
    holds(reason in error["message"], f"`{reason}` is in `{error['message']}`")
