"""What the scripts of all APIs share.

A script runs each of its features against each provider and prints one JSON line for each:
{client, api, provider, feature, ok, detail}. Providers run side by side, the features of one in order.

Reads FOREBAY_URL, FOREBAY_KEY and FOREBAY_PROVIDERS (names, separated by commas), and FOREBAY_FEATURES to run some
of the features only. A model is called PROVIDER/SCRIPT: the script is what the provider's fake is to do.
"""

import json
import os
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

CLIENT = "python"
URL = os.environ["FOREBAY_URL"]
KEY = os.environ["FOREBAY_KEY"]
ONLY = [name for name in os.environ.get("FOREBAY_FEATURES", "").split(",") if name]

ASK = "How high does the water rise?"
WORDS = "Water höher than 水 rises 🌊."
THOUGHTS = "First weigh 水."
CITY = "Köln 水"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKMSAwIG9iajw8Pj5lbmRvYmoKdHJhaWxlcjw8Pj4KJSVFT0YK"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Case:
    """A provider, as the features see it."""

    def __init__(self, api, provider):
        self.api = api
        self.provider = provider

    def model(self, script="text"):
        return f"{self.provider}/{script}"

    def marked(self, what):
        """A text that the test finds again among the calls of the fake."""
        return f"{what} {CLIENT} {self.api}"


def equal(found, wanted, what="answer"):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def check(truth, what):
    assert truth, what


class Asked(list):
    """The HTTP requests that a client of the library sends; given to its HTTP client as a hook."""

    def hooks(self):
        return {"request": [self.append]}


def raises(kind, ask, status=None, code=None):
    """Asks and expects exactly that class of error; returns the error."""
    try:
        ask()
    except kind as error:
        equal(type(error).__name__, kind.__name__, "class of the error")
        if status:
            equal(error.status_code, status, "status")
        if code:
            equal(getattr(error, "code", None), code, "code")
        return error
    raise AssertionError(f"nothing was raised instead of {kind.__name__}")


def run(api, features):
    """Runs the features against every provider."""
    features = [feature for feature in features if not ONLY or feature.__name__ in ONLY]
    printing = threading.Lock()

    def one(provider):
        case = Case(api, provider)
        for feature in features:
            try:
                feature(case)
                ok, detail = True, ""
            except Exception as error:
                at = traceback.extract_tb(error.__traceback__)
                own = [frame for frame in at if os.path.dirname(frame.filename) == os.path.dirname(__file__)]
                line = own[-1].lineno if own else 0
                ok, detail = False, f"{type(error).__name__}: {error} (line {line})"
            name = feature.__name__
            said = {"client": CLIENT, "api": api, "provider": provider, "feature": name, "ok": ok, "detail": detail}
            with printing:
                sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
                sys.stdout.flush()

    providers = os.environ["FOREBAY_PROVIDERS"].split(",")
    with ThreadPoolExecutor(len(providers)) as pool:
        list(pool.map(one, providers))
