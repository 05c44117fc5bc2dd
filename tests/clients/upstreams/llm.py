"""The APIs of OpenAI and Anthropic as aimock has them, and a hand on what they send: see `node/aimock.mjs`."""

import json

from harness.exchange import ask
from harness.upstream import Arrived

#: What the model says, whatever it is asked.
SAID = "Hello from the other side"

#: The same in the pieces in which it is streamed.
PIECES = ["Hello ", "from t", "he oth", "er sid", "e"]


#: A reason to break off a stream in HTTP/2 (RFC 9113 section 7). With HTTP/1.1 the connection ends.
INTERNAL_ERROR = 2
#: What Node's `destroy` says, and other servers: nothing is wrong, and yet the answer is not whole.
NO_ERROR = 0


class Llm:
    """One server, which is OpenAI for every path but Anthropic's `/v1/messages`."""

    def __init__(self, stage, credential):
        self.url = stage.server("aimock", ["node", stage.node_folder / "aimock.mjs", credential])
        #: Where a client releases the next event.
        self.step_url = f"{self.url}/__stage/step"
        #: Where a client asks how the stream that it left has ended.
        self.gone_url = f"{self.url}/__stage/gone"

    def stream(self, *, held=False, gzip=False, cut=None):
        """How the following streams are sent: held back event by event, compressed, broken off instead of the second event with this code."""
        self._control("mode", {"held": held, "gzip": gzip, "cut": cut})

    def mute(self):
        """Nothing that follows is answered."""
        self._control("mode", {"mute": True})

    def secure(self, certificate, key):
        """Where the same is with TLS and HTTP/2, given a certificate and its key in PEM."""
        return f"https://127.0.0.1:{self._control('secure', {'cert': certificate, 'key': key})}"

    def take(self):
        """What has arrived since the last call. A long body is represented by its SHA-256 digest."""
        return [_arrived(each) for each in self._control("take")]

    def _control(self, name, value=None):
        answer = ask(self.url, "POST", f"/__stage/{name}", body=json.dumps(value))
        return answer.json()


def _arrived(entry):
    raw = entry["rawHeaders"]
    headers = tuple(zip(raw[::2], raw[1::2]))
    whole = entry["size"] == len(entry["body"])
    return Arrived(entry["method"], entry["target"], headers, (entry["body"] if whole else entry["sha256"]).encode("latin-1"))
