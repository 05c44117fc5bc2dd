"""Tests of secrets as written: the shared vectors, and the secrets in new tokens."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "src"))

from magicproxy_token import TokenError, mint  # noqa: E402
from magicproxy_token.credential import new_credential, written_secret  # noqa: E402

VECTORS = pathlib.Path(__file__).parents[3] / "testdata/vectors"
SECRETS = json.loads((VECTORS / "secret.json").read_text("utf-8"))
KEY = json.loads((VECTORS / "token-v2.json").read_text("utf-8"))["keys"][0]

#: A part of the message of each fault.
WORDS = {"empty": "is empty", "lines": "several lines", "quoted": "in quotes", "blank": "a blank", "control": "a control", "invisible": "cannot be seen"}


def forms(text):
    return [
        {"secret": text},
        {"bearer": text},
        {"basic": ["user", text]},
        {"basic": [text, ""]},
        {"header": ["x-key", text]},
        {"several": [{"bearer": text}, {"header": ["x-key", text]}]},
    ]


class Secrets(unittest.TestCase):
    def test_the_vectors(self):
        for text, secret in SECRETS["read"]:
            self.assertEqual(written_secret(text), secret, repr(text))
        for text, fault in SECRETS["refused"]:
            with self.assertRaises(TokenError, msg=repr(text)) as refused:
                written_secret(text)
            self.assertIn(WORDS[fault], str(refused.exception))
            self.assertNotIn("marked", str(refused.exception))

    def test_every_form_of_a_credential_is_read_so(self):
        for written, read in zip(forms("\ufeffmarked\r\n"), forms("marked")):
            self.assertEqual(new_credential(written), read)
        for credential in forms('"marked"'):
            with self.assertRaises(TokenError) as refused:
                mint(key={name: KEY[name] for name in ("kty", "crv", "x")}, credential=credential, aud="api", allowed="GET /a")
            self.assertIn("in quotes", str(refused.exception))
            self.assertNotIn("marked", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
