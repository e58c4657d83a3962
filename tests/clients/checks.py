"""The official Python client against a running Forebay, unmodified.

Reads FOREBAY_URL and FOREBAY_KEY; prints a line for each check; exit code 0 only if all hold.
"""

import asyncio
import os
import sys
import traceback

import openai
from pydantic import BaseModel

URL = os.environ["FOREBAY_URL"] + "/v1"
KEY = os.environ["FOREBAY_KEY"]
WORDS = "Water höher than 水 rises "
ASK = [{"role": "user", "content": "How high does the water rise?"}]
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOLS = [{
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}]

client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class City(BaseModel):
    city: str


def raises(kind, code, **options):
    """Asks and expects that error class and code; returns the error."""
    options = {"model": "ok", "messages": ASK, **options}
    try:
        client.chat.completions.create(**options)
    except kind as error:
        assert type(error) is kind, f"{type(error)} instead of {kind}"
        assert code is None or error.code == code, f"{error.code} instead of {code}"
        assert error.request_id, "the error has no request id"
        return error
    raise AssertionError(f"{options['model']} raised nothing")


@check
def text():
    answer = client.chat.completions.with_raw_response.create(
        model="ok", messages=ASK, extra_headers={"x-request-id": "python-1"}
    )
    assert answer.headers["x-request-id"] == "python-1"
    assert answer.headers["request-id"].startswith("req_")
    answer = answer.parse()
    assert answer.choices[0].message.content == WORDS
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 5)


@check
def stream():
    pieces, last = [], None
    with client.chat.completions.create(model="s6x2", messages=ASK, stream=True) as chunks:
        for chunk in chunks:
            assert chunk.usage is None, "usage that nobody asked for"
            assert chunk.choices, "a chunk without choices that nobody asked for"
            pieces.append(chunk.choices[0].delta.content or "")
            last = chunk.choices[0].finish_reason or last
    assert "".join(pieces) == WORDS + "🌊 "
    assert last == "stop"


@check
def stream_with_usage():
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="ok", messages=ASK, stream=True, stream_options=options))
    assert chunks[-1].usage.total_tokens == 16 and not chunks[-1].choices
    assert all(c.usage is None for c in chunks[:-1])


@check
def stream_helper():
    with client.chat.completions.stream(model="ok+split-utf8", messages=ASK) as events:
        for _ in events:
            pass
        answer = events.get_final_completion()
    assert answer.choices[0].message.content == WORDS


@check
def tools():
    answer = client.chat.completions.create(model="tools", messages=ASK, tools=TOOLS, tool_choice="required")
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris"}')
    assert answer.choices[0].finish_reason == "tool_calls"
    talk = ASK + [
        answer.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    assert client.chat.completions.create(model="ok", messages=talk, tools=TOOLS).choices[0].message.content
    with client.chat.completions.stream(model="tools", messages=ASK, tools=TOOLS) as events:
        for _ in events:
            pass
        call = events.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.arguments == '{"city":"Paris"}'


@check
def structured_output():
    answer = client.chat.completions.parse(model="json", messages=ASK, response_format=City)
    assert answer.choices[0].message.parsed == City(city="Köln")


@check
def image():
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = client.chat.completions.create(model="ok", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == WORDS


@check
def models():
    assert "renamed" in [model.id for model in client.models.list()]


@check
def error_classes():
    raises(openai.BadRequestError, None, model="status-400")
    raises(openai.BadRequestError, None, messages="no list")
    raises(openai.NotFoundError, None, model="status-404")
    raises(openai.UnprocessableEntityError, None, model="status-422")
    raises(openai.RateLimitError, "upstream_rate_limited", model="status-429")
    raises(openai.InternalServerError, "upstream_error", model="status-500")
    raises(openai.InternalServerError, "server_is_overloaded", model="status-503")
    # Our own trouble with the provider is never the caller's.
    raises(openai.InternalServerError, "upstream_account_error", model="status-401")
    other = client.with_options(api_key="sk-nobody-knows-this-one")
    try:
        other.chat.completions.create(model="ok", messages=ASK)
        raise AssertionError("an unknown key was taken")
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key"


@check
def error_within_a_stream():
    try:
        for _ in client.chat.completions.create(model="midstream-error", messages=ASK, stream=True):
            pass
        raise AssertionError("a broken stream looked whole")
    except openai.APIError:
        pass
    try:
        for _ in client.chat.completions.create(model="cut", messages=ASK, stream=True):
            pass
        raise AssertionError("a cut stream looked whole")
    except openai.APIError:
        pass


@check
def retries():
    answer = client.chat.completions.create(model="status-500-then-ok", messages=ASK, user="python-retries")
    assert answer.choices[0].message.content == WORDS
    for model, sent in [("status-401", 1), ("quota", 1), ("status-429-retry-ms-50", 2)]:
        asked = []
        http = openai.DefaultHttpxClient(event_hooks={"request": [asked.append]})
        patient = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=1, http_client=http)
        try:
            patient.chat.completions.create(model=model, messages=ASK)
            raise AssertionError(f"{model} was answered")
        except openai.APIStatusError:
            assert len(asked) == sent, f"{model} was sent {len(asked)} times instead of {sent}"


@check
def timeout():
    try:
        client.with_options(timeout=1.5).chat.completions.create(model="hang", messages=ASK, user="python-timeout")
        raise AssertionError("a silent provider answered")
    except (openai.APITimeoutError, openai.InternalServerError):
        pass


@check
def cancel():
    chunks = client.chat.completions.create(model="s600x100", messages=ASK, stream=True, user="python-cancel")
    for n, _ in enumerate(chunks):
        if n == 3:
            break
    chunks.close()


@check
def many_at_once():
    async def run():
        async with openai.AsyncOpenAI(base_url=URL, api_key=KEY) as many:
            ask = lambda: many.chat.completions.create(model="slow-50", messages=ASK)
            return await asyncio.gather(*(ask() for _ in range(40)))

    answers = asyncio.run(run())
    assert len({answer.id for answer in answers}) == 40


failed = 0
for function in CHECKS:
    try:
        function()
        print(f"ok      {function.__name__}")
    except Exception:
        failed += 1
        print(f"FAILED  {function.__name__}\n{traceback.format_exc()}")
sys.exit(1 if failed else 0)
