"""Messages, by Anthropic's Python client."""

import anthropic
from common import ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, Asked, check, equal, raises, run
from pydantic import BaseModel

USER = [{"role": "user", "content": ASK}]
TOOLS = [{"name": name, "description": "Knows.", "input_schema": SCHEMA} for name in ("get_weather", "get_time")]
THINK = {
    "max_tokens": 8000,
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "low"},
}


class City(BaseModel):
    city: str


client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)


def asked(case, script, options):
    return {"model": case.model(script), "messages": USER, "max_tokens": 1024, **options}


def create(case, script, **options):
    return client.messages.create(**asked(case, script, options))


def streamed(case, script, **options):
    """The answer that the library's helper makes of a stream."""
    with client.messages.stream(**asked(case, script, options)) as events:
        for _ in events:
            pass
        return events.get_final_message()


def said(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def thought(answer):
    return "".join(block.thinking for block in answer.content if block.type == "thinking")


def called(answer, *names):
    calls = [block for block in answer.content if block.type == "tool_use"]
    equal([call.name for call in calls], list(names), "tools")
    for call in calls:
        equal(call.input, {"city": CITY}, "input")
    equal(len({call.id for call in calls}), len(names), "ids")
    equal(answer.stop_reason, "tool_use")
    return answer


def after_tools(case, script, answer, **options):
    """Sends the answer back as it came, with a result for each of its calls."""
    calls = [block for block in answer.content if block.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"{n + 20} degrees"} for n, call in enumerate(calls)
    ]
    messages = [*USER, {"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    after = create(case, script, messages=messages, tools=TOOLS, **options)
    equal(said(after), "The tool said: " + " | ".join(result["content"] for result in results), "text after results")


def text(case):
    answer = client.messages.with_raw_response.create(**asked(case, "text", {}))
    check(answer.headers["request-id"].startswith("req_"), "no request id")
    answer = answer.parse()
    equal((answer.type, answer.role, said(answer), answer.stop_reason), ("message", "assistant", WORDS, "end_turn"))
    equal(answer.model, case.model("text"), "model")
    check(answer.usage.input_tokens > 0, "no input is counted")
    equal(answer.usage.output_tokens, 6, "usage")


def stream(case):
    kinds, text = [], ""
    with client.messages.create(**asked(case, "text", {"stream": True})) as events:
        for event in events:
            kinds.append(event.type)
            if event.type == "content_block_delta":
                text += event.delta.text
            if event.type == "message_delta":
                equal((event.delta.stop_reason, event.usage.output_tokens), ("end_turn", 6), "end")
    equal(text, WORDS)
    equal((kinds[0], kinds[-1]), ("message_start", "message_stop"), "first and last event")


def stream_split_characters(case):
    equal(said(streamed(case, "split_utf8")), WORDS)


def conversation(case):
    messages = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": [{"type": "text", "text": ASK}]},
    ]
    system = [{"type": "text", "text": "Answer in one line."}, {"type": "text", "text": "Be kind."}]
    equal(said(create(case, "text", messages=messages, system=system)), WORDS)


def length_limit(case):
    answer = create(case, "length", max_tokens=64)
    equal((answer.stop_reason, said(answer)), ("max_tokens", "Water höher than 水 "))


def stop_sequence(case):
    answer = create(case, "stop_sequence", stop_sequences=["STOP"])
    check(answer.stop_reason in ("stop_sequence", "end_turn"), f"{answer.stop_reason}")


def stop_sequence_named(case):
    answer = create(case, "stop_sequence", stop_sequences=["STOP"])
    equal((answer.stop_reason, answer.stop_sequence), ("stop_sequence", "STOP"))


def refusal(case):
    equal([create(case, "refusal").stop_reason, streamed(case, "refusal").stop_reason], ["refusal", "refusal"])


def tools(case):
    after_tools(case, "tools", called(create(case, "tools", tools=TOOLS), "get_weather"))


def tools_stream(case):
    after_tools(case, "tools", called(streamed(case, "tools", tools=TOOLS), "get_weather"))


def tool_choice(case):
    called(create(case, "text", tools=TOOLS, tool_choice={"type": "any"}), "get_weather")
    called(create(case, "text", tools=TOOLS, tool_choice={"type": "tool", "name": "get_time"}), "get_time")
    equal(said(create(case, "tools", tools=TOOLS, tool_choice={"type": "none"})), WORDS)


def tools_without_arguments(case):
    empty = [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]
    for answer in (create(case, "empty_args", tools=empty), streamed(case, "empty_args", tools=empty)):
        [call] = [block for block in answer.content if block.type == "tool_use"]
        equal((call.name, call.input), ("now", {}))


def parallel_tools(case):
    after_tools(case, "parallel", called(create(case, "parallel", tools=TOOLS), "get_weather", "get_time"))


def parallel_tools_stream(case):
    after_tools(case, "parallel", called(streamed(case, "parallel", tools=TOOLS), "get_weather", "get_time"))


def structured_output(case):
    options = asked(case, "json", {"output_format": City})
    equal(client.messages.parse(**options).parsed_output, City(city=CITY))


def structured_output_stream(case):
    equal(streamed(case, "json", output_format=City).parsed_output, City(city=CITY))


def image(case):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    equal(said(create(case, "text", messages=[{"role": "user", "content": content}])), WORDS)


def image_by_url(case):
    source = {"type": "url", "url": "https://example.com/a.png"}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    equal(said(create(case, "text", messages=[{"role": "user", "content": content}])), WORDS)


def image_in_tool_result(case):
    answer = called(create(case, "tools", tools=TOOLS), "get_weather")
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "text", "text": "20 degrees"}, {"type": "image", "source": source}]
    [call] = [block for block in answer.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": content}
    messages = [*USER, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    after = said(create(case, "tools", messages=messages, tools=TOOLS))
    check(after.startswith("The tool said: 20 degrees"), after)


def document(case):
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    content = [{"type": "document", "source": source}, {"type": "text", "text": "Sum up."}]
    equal(said(create(case, "text", messages=[{"role": "user", "content": content}])), WORDS)


def reasoning(case):
    answer = create(case, "thinking", **THINK)
    equal(said(answer), WORDS)
    check(answer.usage.output_tokens >= 64 + 6, f"thoughts are not counted: {answer.usage}")


def reasoning_tokens(case):
    details = create(case, "thinking", **THINK).usage.output_tokens_details
    equal(details and details.thinking_tokens, 64, "thinking tokens")


def thoughts(case):
    answer = create(case, "thinking", **THINK)
    equal((answer.content[0].type, thought(answer)), ("thinking", THOUGHTS), "thinking")


def thoughts_stream(case):
    answer = streamed(case, "thinking", **THINK)
    equal((answer.content[0].type, thought(answer), said(answer)), ("thinking", THOUGHTS, WORDS))


def thoughts_replayed(case):
    answer = streamed(case, "thinking", **THINK)
    equal(thought(answer), THOUGHTS, "thinking")
    messages = [*USER, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    equal(said(create(case, "thinking", messages=messages, **THINK)), WORDS)


def hidden_thoughts_replayed(case):
    answer = create(case, "redacted", **THINK)
    equal((thought(answer), said(answer)), ("", WORDS))
    messages = [*USER, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    equal(said(create(case, "redacted", messages=messages, **THINK)), WORDS)


def reasoning_with_tools(case):
    answer = called(create(case, "thinking+tools", tools=TOOLS, **THINK), "get_weather")
    after_tools(case, "thinking+tools", answer, **THINK)


def cached_tokens(case):
    system = [{"type": "text", "text": "Long. " * 400, "cache_control": {"type": "ephemeral"}}]
    for answer in (create(case, "cached", system=system), streamed(case, "cached", system=system)):
        equal(answer.usage.cache_read_input_tokens, 1200, "cached tokens")
        check(0 < answer.usage.input_tokens < 1200, f"{answer.usage}")


def cache_writes(case):
    system = [{"type": "text", "text": "Long. " * 400, "cache_control": {"type": "ephemeral"}}]
    for answer in (create(case, "cached", system=system), streamed(case, "cached", system=system)):
        equal(answer.usage.cache_creation_input_tokens, 400, "cache writes")


def contradicting_usage(case):
    equal([said(create(case, "odd_usage")), said(streamed(case, "odd_usage"))], [WORDS, WORDS])


def error_400(case):
    error = raises(anthropic.BadRequestError, lambda: create(case, "e400"), 400)
    equal(error.body["error"]["type"], "invalid_request_error", "type")
    check(error.request_id, "no request id")
    raises(anthropic.BadRequestError, lambda: create(case, "text", messages="no list"), 400)


def error_context(case):
    error = raises(anthropic.BadRequestError, lambda: create(case, "context"), 400)
    check("prompt is too long" in error.body["error"]["message"], f"{error.body}")


def error_401(case):
    # The provider refuses our credential: never the caller's fault.
    raises(anthropic.InternalServerError, lambda: create(case, "e401"), 500)
    other = client.with_options(api_key="sk-nobody-knows-this-one")
    ask = lambda: other.messages.create(**asked(case, "text", {}))
    raises(anthropic.AuthenticationError, ask, 401)


def error_404(case):
    raises(anthropic.NotFoundError, lambda: create(case, "e404"), 404)
    raises(anthropic.NotFoundError, lambda: create(case, "no-such-alias"), 404)


def error_429(case):
    sent = Asked()
    http = anthropic.DefaultHttpxClient(event_hooks=sent.hooks())
    patient = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=1, http_client=http)
    ask = lambda: patient.messages.create(**asked(case, "e429", {}))
    error = raises(anthropic.RateLimitError, ask, 429)
    equal(error.body["error"]["type"], "rate_limit_error", "type")
    equal(len(sent), 2, "requests sent")


def error_500(case):
    raises(anthropic.InternalServerError, lambda: create(case, "e500"), 500)
    patient = client.with_options(max_retries=4)
    messages = [{"role": "user", "content": case.marked("retry")}]
    equal(said(patient.messages.create(**asked(case, "flaky-2", {"messages": messages}))), WORDS)


def error_529(case):
    raises(anthropic._exceptions.OverloadedError, lambda: create(case, "e529"), 529)


def error_in_stream(case):
    for script in ("mid_error+slow", "cut+slow"):
        seen = []

        def read():
            for event in create(case, script, stream=True):
                seen.append(event)

        error = None
        try:
            read()
        except anthropic.APIStatusError as raised:
            error = raised
        check(error, f"{script}: a broken stream looked whole")
        equal(error.body["type"], "error", "body")
        check(seen, "nothing came before the error")


def cancel(case):
    messages = [{"role": "user", "content": case.marked("cancel")}]
    events = create(case, "long+slow", messages=messages, stream=True)
    for n, _ in enumerate(events):
        if n == 3:
            break
    events.close()


def count_tokens(case):
    counted = client.messages.count_tokens(model=case.model("text"), messages=USER, tools=TOOLS, system="Be kind.")
    check(counted.input_tokens > 20, f"{counted}")


def models(case):
    check(case.model("text") in [model.id for model in client.models.list(limit=1000)], "the alias is not listed")
    equal(client.models.retrieve(case.model("text")).type, "model")


if __name__ == "__main__":
    run("messages", [
        text, stream, stream_split_characters, conversation, length_limit, stop_sequence, stop_sequence_named, refusal,
        tools, tools_stream, tool_choice, tools_without_arguments, parallel_tools, parallel_tools_stream,
        structured_output, structured_output_stream, image, image_by_url, image_in_tool_result, document,
        reasoning, reasoning_tokens, thoughts, thoughts_stream, thoughts_replayed, hidden_thoughts_replayed,
        reasoning_with_tools,         cached_tokens, cache_writes, contradicting_usage, error_400, error_context, error_401, error_404, error_429,
        error_500, error_529, error_in_stream, cancel, count_tokens, models,
    ])
