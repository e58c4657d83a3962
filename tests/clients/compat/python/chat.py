"""Chat Completions, by OpenAI's Python client."""

import json

import openai
from common import ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, Asked, check, equal, raises, run
from pydantic import BaseModel

USER = [{"role": "user", "content": ASK}]
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "Knows.", "strict": True, "parameters": SCHEMA}}
    for name in ("get_weather", "get_time")
]


class City(BaseModel):
    city: str


client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)


def create(case, script, **options):
    return client.chat.completions.create(**{"model": case.model(script), "messages": USER, **options})


def streamed(case, script, **options):
    """The answer that the library's helper makes of a stream."""
    options = {"model": case.model(script), "messages": USER, **options}
    with client.chat.completions.stream(**options) as events:
        for _ in events:
            pass
        return events.get_final_completion()


def after_tools(case, script, answer, **options):
    """Sends the answer back with a result for each of its calls, as applications do."""
    message = answer.choices[0].message
    calls = message.tool_calls
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"{n + 20} degrees"} for n, call in enumerate(calls)]
    messages = [*USER, message.model_dump(exclude_none=True, exclude={"parsed"}), *results]
    for call in messages[1]["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
    said = create(case, script, messages=messages, tools=TOOLS, **options).choices[0].message.content
    equal(said, "The tool said: " + " | ".join(result["content"] for result in results), "text after the results")


def called(answer, *names):
    choice = answer.choices[0]
    equal([call.function.name for call in choice.message.tool_calls or []], list(names), "tools")
    for call in choice.message.tool_calls:
        equal(json.loads(call.function.arguments), {"city": CITY}, "arguments")
    equal(len({call.id for call in choice.message.tool_calls}), len(names), "ids")
    return answer


def text(case):
    answer = client.chat.completions.with_raw_response.create(model=case.model("text"), messages=USER)
    check(answer.headers["request-id"].startswith("req_"), "no request id")
    answer = answer.parse()
    equal(answer.object, "chat.completion")
    equal(answer.choices[0].message.content, WORDS)
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens, "usage")
    equal(answer.usage.completion_tokens, 6, "usage")


def stream(case):
    said, finish, chunks = "", None, []
    with create(case, "text", stream=True, stream_options={"include_usage": True}) as events:
        for chunk in events:
            chunks.append(chunk)
            for choice in chunk.choices:
                said += choice.delta.content or ""
                finish = choice.finish_reason or finish
    equal((said, finish), (WORDS, "stop"))
    equal(chunks[-1].usage.completion_tokens, 6, "usage")
    equal(len({chunk.id for chunk in chunks if chunk.id}), 1, "ids")


def stream_split_characters(case):
    equal(streamed(case, "split_utf8").choices[0].message.content, WORDS)


def conversation(case):
    messages = [
        {"role": "developer", "content": "Answer in one line."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": [{"type": "text", "text": ASK}]},
    ]
    equal(create(case, "text", messages=messages).choices[0].message.content, WORDS)


def length_limit(case):
    answer = create(case, "length", max_completion_tokens=64)
    equal(answer.choices[0].finish_reason, "length")
    equal(answer.choices[0].message.content, "Water höher than 水 ")


def stop_sequence(case):
    equal(create(case, "stop_sequence", stop=["STOP"]).choices[0].finish_reason, "stop")


def refusal(case):
    choice = create(case, "refusal").choices[0]
    check(choice.message.refusal or choice.finish_reason == "content_filter", f"no refusal: {choice}")
    try:
        choice = streamed(case, "refusal").choices[0]
        check(choice.message.refusal, f"no refusal: {choice}")
    except openai.ContentFilterFinishReasonError:
        pass


def tools(case):
    answer = called(create(case, "tools", tools=TOOLS), "get_weather")
    equal(answer.choices[0].finish_reason, "tool_calls")
    after_tools(case, "tools", answer)


def tools_stream(case):
    answer = called(streamed(case, "tools", tools=TOOLS), "get_weather")
    equal(answer.choices[0].finish_reason, "tool_calls")
    after_tools(case, "tools", answer)


def tool_choice(case):
    called(create(case, "text", tools=TOOLS, tool_choice="required"), "get_weather")
    named = {"type": "function", "function": {"name": "get_time"}}
    called(create(case, "text", tools=TOOLS, tool_choice=named), "get_time")
    equal(create(case, "tools", tools=TOOLS, tool_choice="none").choices[0].message.content, WORDS)


def tools_without_arguments(case):
    empty = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]
    for answer in (create(case, "empty_args", tools=empty), streamed(case, "empty_args", tools=empty)):
        [call] = answer.choices[0].message.tool_calls
        equal((call.function.name, json.loads(call.function.arguments or "{}")), ("now", {}))


def parallel_tools(case):
    after_tools(case, "parallel", called(create(case, "parallel", tools=TOOLS), "get_weather", "get_time"))


def parallel_tools_stream(case):
    # This library's helper cannot read strict calls whose pieces come in turn.
    loose = [{**tool, "function": {**tool["function"], "strict": False}} for tool in TOOLS]
    after_tools(case, "parallel", called(streamed(case, "parallel", tools=loose), "get_weather", "get_time"))


def structured_output(case):
    answer = client.chat.completions.parse(model=case.model("json"), messages=USER, response_format=City)
    equal(answer.choices[0].message.parsed, City(city=CITY))


def structured_output_stream(case):
    equal(streamed(case, "json", response_format=City).choices[0].message.parsed, City(city=CITY))


def json_mode(case):
    messages = [{"role": "user", "content": "A city, as JSON."}]
    answer = create(case, "json", messages=messages, response_format={"type": "json_object"})
    equal(json.loads(answer.choices[0].message.content), {"city": CITY})


def image(case):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    equal(create(case, "text", messages=[{"role": "user", "content": content}]).choices[0].message.content, WORDS)


def image_by_url(case):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    equal(create(case, "text", messages=[{"role": "user", "content": content}]).choices[0].message.content, WORDS)


def document(case):
    data = f"data:application/pdf;base64,{PDF}"
    content = [{"type": "text", "text": "Sum up."}, {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}]
    equal(create(case, "text", messages=[{"role": "user", "content": content}]).choices[0].message.content, WORDS)


def reasoning(case):
    answer = create(case, "thinking", reasoning_effort="low", max_completion_tokens=8000)
    equal(answer.choices[0].message.content, WORDS)
    check(answer.usage.completion_tokens >= 64 + 6, f"thoughts are not counted: {answer.usage}")


def reasoning_tokens(case):
    answer = create(case, "thinking", reasoning_effort="low", max_completion_tokens=8000)
    equal(answer.usage.completion_tokens_details.reasoning_tokens, 64, "reasoning tokens")


def thoughts(case):
    message = create(case, "thinking", reasoning_effort="low", max_completion_tokens=8000).choices[0].message
    equal(getattr(message, "reasoning_content", None), THOUGHTS, "reasoning_content")


def thoughts_stream(case):
    answer = streamed(case, "thinking", reasoning_effort="low", max_completion_tokens=8000)
    equal(getattr(answer.choices[0].message, "reasoning_content", None), THOUGHTS, "reasoning_content")
    equal(answer.choices[0].message.content, WORDS)


def thoughts_replayed(case):
    options = {"reasoning_effort": "low", "max_completion_tokens": 8000}
    message = create(case, "thinking", **options).choices[0].message
    equal(getattr(message, "reasoning_content", None), THOUGHTS, "reasoning_content")
    messages = [*USER, message.model_dump(exclude_none=True), {"role": "user", "content": "And now?"}]
    equal(create(case, "thinking", messages=messages, **options).choices[0].message.content, WORDS)


def hidden_thoughts_replayed(case):
    options = {"reasoning_effort": "low", "max_completion_tokens": 8000}
    message = create(case, "redacted", **options).choices[0].message
    messages = [*USER, message.model_dump(exclude_none=True), {"role": "user", "content": "And now?"}]
    equal(create(case, "redacted", messages=messages, **options).choices[0].message.content, WORDS)


def reasoning_with_tools(case):
    options = {"reasoning_effort": "low", "max_completion_tokens": 8000}
    answer = called(create(case, "thinking+tools", tools=TOOLS, **options), "get_weather")
    after_tools(case, "thinking+tools", answer, **options)


def cached_tokens(case):
    for usage in (create(case, "cached").usage, streamed(case, "cached", stream_options={"include_usage": True}).usage):
        equal(usage.prompt_tokens_details.cached_tokens, 1200, "cached tokens")
        check(usage.prompt_tokens > 1200, f"{usage}")


def contradicting_usage(case):
    equal(create(case, "odd_usage").choices[0].message.content, WORDS)
    equal(streamed(case, "odd_usage").choices[0].message.content, WORDS)


def error_400(case):
    error = raises(openai.BadRequestError, lambda: create(case, "e400"), 400)
    check(error.message and error.request_id, f"{error.body}")
    raises(openai.BadRequestError, lambda: create(case, "text", messages="no list"), 400)


def error_context(case):
    raises(openai.BadRequestError, lambda: create(case, "context"), 400, "context_length_exceeded")


def error_401(case):
    # The provider refuses our credential: never the caller's fault.
    raises(openai.InternalServerError, lambda: create(case, "e401"), 502, "upstream_account_error")
    other = client.with_options(api_key="sk-nobody-knows-this-one")
    ask = lambda: other.chat.completions.create(model=case.model("text"), messages=USER)
    raises(openai.AuthenticationError, ask, 401, "invalid_api_key")


def error_404(case):
    raises(openai.NotFoundError, lambda: create(case, "e404"), 404)
    raises(openai.NotFoundError, lambda: create(case, "no-such-alias"), 404, "model_not_found")


def error_429(case):
    asked = Asked()
    http = openai.DefaultHttpxClient(event_hooks=asked.hooks())
    patient = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=1, http_client=http)
    ask = lambda: patient.chat.completions.create(model=case.model("e429"), messages=USER)
    raises(openai.RateLimitError, ask, 429, "upstream_rate_limited")
    equal(len(asked), 2, "requests sent")


def error_500(case):
    raises(openai.InternalServerError, lambda: create(case, "e500"), 502, "upstream_error")
    patient = client.with_options(max_retries=4)
    messages = [{"role": "user", "content": case.marked("retry")}]
    answer = patient.chat.completions.create(model=case.model("flaky-2"), messages=messages)
    equal(answer.choices[0].message.content, WORDS)


def error_529(case):
    raises(openai.InternalServerError, lambda: create(case, "e529"), 503, "server_is_overloaded")


def error_in_stream(case):
    for script in ("mid_error+slow", "cut+slow"):
        said = []

        def read():
            for chunk in create(case, script, stream=True):
                said.append(chunk)

        raises(openai.APIError, read)
        check(said, "nothing came before the error")


def cancel(case):
    messages = [{"role": "user", "content": case.marked("cancel")}]
    events = create(case, "long+slow", messages=messages, stream=True)
    for n, _ in enumerate(events):
        if n == 2:
            break
    events.close()


def models(case):
    check(case.model("text") in [model.id for model in client.models.list()], "the alias is not listed")
    equal(client.models.retrieve(case.model("text")).object, "model")


if __name__ == "__main__":
    run("chat", [
        text, stream, stream_split_characters, conversation, length_limit, stop_sequence, refusal,
        tools, tools_stream, tool_choice, tools_without_arguments, parallel_tools, parallel_tools_stream,
        structured_output, structured_output_stream, json_mode, image, image_by_url, document,
        reasoning, reasoning_tokens, thoughts, thoughts_stream, thoughts_replayed, hidden_thoughts_replayed,
        reasoning_with_tools, cached_tokens, contradicting_usage, error_400, error_context, error_401, error_404, error_429, error_500, error_529, error_in_stream, cancel, models,
    ])
