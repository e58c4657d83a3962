"""Responses, by OpenAI's Python client."""

import json
import time

import openai
from common import ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, Asked, check, equal, raises, run
from pydantic import BaseModel

USER = [{"role": "user", "content": ASK}]
TOOLS = [
    {"type": "function", "name": name, "description": "Knows.", "strict": True, "parameters": SCHEMA}
    for name in ("get_weather", "get_time")
]
THINK = {
    "max_output_tokens": 8000,
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}


class City(BaseModel):
    city: str


client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)


def asked(case, script, options):
    return {"model": case.model(script), "input": ASK, "store": False, **options}


def create(case, script, **options):
    return client.responses.create(**asked(case, script, options))


def streamed(case, script, **options):
    """The answer that the library's helper makes of a stream."""
    with client.responses.stream(**asked(case, script, options)) as events:
        for _ in events:
            pass
        return events.get_final_response()


def calls_of(answer):
    return [item for item in answer.output if item.type == "function_call"]


def called(answer, *names):
    calls = calls_of(answer)
    equal([call.name for call in calls], list(names), "tools")
    for call in calls:
        equal(json.loads(call.arguments), {"city": CITY}, "arguments")
    equal(len({call.call_id for call in calls}), len(names), "ids")
    return answer


def items(answer):
    """The items of an answer as the next input, as applications send them."""
    own = {"parsed_arguments", "parsed", "status"}
    return [item.model_dump(exclude_none=True, exclude=own) for item in answer.output]


def after_tools(case, script, answer, **options):
    """Sends the answer back with a result for each of its calls."""
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{n + 20} degrees"}
        for n, call in enumerate(calls_of(answer))
    ]
    after = create(case, script, input=[*USER, *items(answer), *results], tools=TOOLS, **options)
    wanted = "The tool said: " + " | ".join(result["output"] for result in results)
    equal(after.output_text, wanted, "text after the results")


def thought(answer):
    return "".join(part.text for item in answer.output if item.type == "reasoning" for part in item.summary)


def text(case):
    answer = client.responses.with_raw_response.create(**asked(case, "text", {}))
    check(answer.headers["request-id"].startswith("req_"), "no request id")
    answer = answer.parse()
    equal((answer.object, answer.status, answer.output_text), ("response", "completed", WORDS))
    equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens, "usage")
    equal(answer.usage.output_tokens, 6, "usage")


def stream(case):
    kinds, said, numbers = [], "", []
    with create(case, "text", stream=True) as events:
        for event in events:
            kinds.append(event.type)
            numbers.append(event.sequence_number)
            if event.type == "response.output_text.delta":
                said += event.delta
    equal(said, WORDS)
    equal((kinds[0], kinds[-1]), ("response.created", "response.completed"), "first and last event")
    equal(numbers, sorted(set(numbers)), "sequence numbers")


def stream_split_characters(case):
    equal(streamed(case, "split_utf8").output_text, WORDS)


def conversation(case):
    talk = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": [{"type": "input_text", "text": ASK}]},
    ]
    equal(create(case, "text", input=talk, instructions="Answer in one line.").output_text, WORDS)


def stored(case):
    answer = create(case, "text", store=True)
    kept = client.responses.retrieve(answer.id)
    equal((kept.id, kept.output_text), (answer.id, WORDS))
    [item] = client.responses.input_items.list(answer.id)
    equal((item.role, item.content[0].text), ("user", ASK), "input")
    client.responses.delete(answer.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(answer.id), 404)


def continued(case):
    # The turn before is the gateway's to send again, with whatever thoughts its provider wants back.
    for first in (create, streamed):
        answer = called(first(case, "thinking+tools", tools=TOOLS, store=True, **THINK), "get_weather")
        result = {"type": "function_call_output", "call_id": calls_of(answer)[0].call_id, "output": "20 degrees"}
        options = {"previous_response_id": answer.id, "tools": TOOLS, "store": True, **THINK}
        equal(create(case, "thinking+tools", input=[result], **options).output_text, "The tool said: 20 degrees")


def polled(answer, waiting=("queued", "in_progress")):
    """The answer once it waits no more, at most 20 s later."""
    for _ in range(200):
        if answer.status not in waiting:
            return answer
        time.sleep(0.1)
        answer = client.responses.retrieve(answer.id)
    raise AssertionError(f"still {answer.status}")


def background(case):
    answer = create(case, "text", background=True, store=True)
    check(answer.status in ("queued", "in_progress"), answer.status)
    answer = polled(answer)
    equal((answer.status, answer.output_text), ("completed", WORDS))


def background_cancelled(case):
    answer = polled(create(case, "hang", background=True, store=True), ["queued"])
    # The provider is at it by then, so that there is a call to drop.
    time.sleep(0.5)
    equal(client.responses.cancel(answer.id).id, answer.id)
    equal(polled(client.responses.retrieve(answer.id)).status, "cancelled")


def background_stream_resumed(case):
    said, number = "", None
    with create(case, "text", background=True, store=True, stream=True) as events:
        for event in events:
            number = event.sequence_number
            if event.type == "response.created":
                made = event.response.id
            if event.type == "response.output_text.delta":
                said += event.delta
                break
    for event in client.responses.retrieve(made, stream=True, starting_after=number):
        check(event.sequence_number > number, "an event comes twice")
        number = event.sequence_number
        if event.type == "response.output_text.delta":
            said += event.delta
    equal((event.type, said), ("response.completed", WORDS))


def length_limit(case):
    answer = create(case, "length", max_output_tokens=64)
    equal((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))
    equal(answer.output_text, "Water höher than 水 ")


def refusal(case):
    # This library's helper takes no answer that ends early, so the last event is read.
    with create(case, "refusal", stream=True) as events:
        last = list(events)[-1]
    for answer in (create(case, "refusal"), last.response):
        refused = [part for item in answer.output if item.type == "message" for part in item.content]
        refused = [part for part in refused if part.type == "refusal"]
        filtered = answer.incomplete_details and answer.incomplete_details.reason == "content_filter"
        check(refused or filtered, f"no refusal: {answer.output}")


def tools(case):
    after_tools(case, "tools", called(create(case, "tools", tools=TOOLS), "get_weather"))


def tools_stream(case):
    after_tools(case, "tools", called(streamed(case, "tools", tools=TOOLS), "get_weather"))


def tool_choice(case):
    called(create(case, "text", tools=TOOLS, tool_choice="required"), "get_weather")
    called(create(case, "text", tools=TOOLS, tool_choice={"type": "function", "name": "get_time"}), "get_time")
    equal(create(case, "tools", tools=TOOLS, tool_choice="none").output_text, WORDS)


def tools_without_arguments(case):
    nothing = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}
    empty = [{"type": "function", "name": "now", "strict": True, "parameters": nothing}]
    for answer in (create(case, "empty_args", tools=empty), streamed(case, "empty_args", tools=empty)):
        [call] = calls_of(answer)
        equal((call.name, json.loads(call.arguments or "{}")), ("now", {}))


def parallel_tools(case):
    after_tools(case, "parallel", called(create(case, "parallel", tools=TOOLS), "get_weather", "get_time"))


def parallel_tools_stream(case):
    after_tools(case, "parallel", called(streamed(case, "parallel", tools=TOOLS), "get_weather", "get_time"))


def structured_output(case):
    answer = client.responses.parse(**asked(case, "json", {"text_format": City}))
    equal(answer.output_parsed, City(city=CITY))


def structured_output_stream(case):
    equal(streamed(case, "json", text_format=City).output_parsed, City(city=CITY))


def json_mode(case):
    answer = create(case, "json", input="A city, as JSON.", text={"format": {"type": "json_object"}})
    equal(json.loads(answer.output_text), {"city": CITY})


def image(case):
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"},
    ]
    equal(create(case, "text", input=[{"role": "user", "content": content}]).output_text, WORDS)


def image_by_url(case):
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"},
    ]
    equal(create(case, "text", input=[{"role": "user", "content": content}]).output_text, WORDS)


def document(case):
    data = f"data:application/pdf;base64,{PDF}"
    content = [
        {"type": "input_file", "filename": "a.pdf", "file_data": data},
        {"type": "input_text", "text": "Sum up."},
    ]
    equal(create(case, "text", input=[{"role": "user", "content": content}]).output_text, WORDS)


def reasoning(case):
    answer = create(case, "thinking", **THINK)
    equal(answer.output_text, WORDS)
    check(answer.usage.output_tokens >= 64 + 6, f"thoughts are not counted: {answer.usage}")


def reasoning_tokens(case):
    answer = create(case, "thinking", **THINK)
    equal(answer.usage.output_tokens_details.reasoning_tokens, 64, "reasoning tokens")


def thoughts(case):
    equal(thought(create(case, "thinking", **THINK)), THOUGHTS, "summary")


def thoughts_stream(case):
    answer = streamed(case, "thinking", **THINK)
    equal((thought(answer), answer.output_text), (THOUGHTS, WORDS))


def thoughts_replayed(case):
    answer = streamed(case, "thinking", **THINK)
    check([item for item in answer.output if item.type == "reasoning" and item.encrypted_content], "nothing encrypted")
    talk = [*USER, *items(answer), {"role": "user", "content": "And now?"}]
    equal(create(case, "thinking", input=talk, **THINK).output_text, WORDS)


def hidden_thoughts_replayed(case):
    answer = create(case, "redacted", **THINK)
    equal((thought(answer), answer.output_text), ("", WORDS))
    talk = [*USER, *items(answer), {"role": "user", "content": "And now?"}]
    equal(create(case, "redacted", input=talk, **THINK).output_text, WORDS)


def reasoning_with_tools(case):
    answer = called(create(case, "thinking+tools", tools=TOOLS, **THINK), "get_weather")
    after_tools(case, "thinking+tools", answer, **THINK)


def cached_tokens(case):
    for usage in (create(case, "cached").usage, streamed(case, "cached").usage):
        equal(usage.input_tokens_details.cached_tokens, 1200, "cached tokens")
        check(usage.input_tokens > 1200, f"{usage}")


def cache_writes(case):
    for usage in (create(case, "cached").usage, streamed(case, "cached").usage):
        equal(usage.input_tokens_details.cache_write_tokens, 400, "cache writes")


def contradicting_usage(case):
    equal([create(case, "odd_usage").output_text, streamed(case, "odd_usage").output_text], [WORDS, WORDS])


def error_400(case):
    error = raises(openai.BadRequestError, lambda: create(case, "e400"), 400)
    check(error.message and error.request_id, f"{error.body}")
    raises(openai.BadRequestError, lambda: create(case, "text", input=17), 400)


def error_context(case):
    raises(openai.BadRequestError, lambda: create(case, "context"), 400, "context_length_exceeded")


def error_401(case):
    # The provider refuses our credential: never the caller's fault.
    raises(openai.InternalServerError, lambda: create(case, "e401"), 502, "upstream_account_error")
    other = client.with_options(api_key="sk-nobody-knows-this-one")
    ask = lambda: other.responses.create(**asked(case, "text", {}))
    raises(openai.AuthenticationError, ask, 401, "invalid_api_key")


def error_404(case):
    raises(openai.NotFoundError, lambda: create(case, "e404"), 404)
    raises(openai.NotFoundError, lambda: create(case, "no-such-alias"), 404, "model_not_found")


def error_429(case):
    sent = Asked()
    http = openai.DefaultHttpxClient(event_hooks=sent.hooks())
    patient = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=1, http_client=http)
    ask = lambda: patient.responses.create(**asked(case, "e429", {}))
    raises(openai.RateLimitError, ask, 429, "upstream_rate_limited")
    equal(len(sent), 2, "requests sent")


def error_500(case):
    raises(openai.InternalServerError, lambda: create(case, "e500"), 502, "upstream_error")
    patient = client.with_options(max_retries=4)
    answer = patient.responses.create(**asked(case, "flaky-2", {"input": case.marked("retry")}))
    equal(answer.output_text, WORDS)


def error_529(case):
    raises(openai.InternalServerError, lambda: create(case, "e529"), 503, "server_is_overloaded")


def error_in_stream(case):
    for script in ("mid_error+slow", "cut+slow"):
        kinds, error = [], None
        try:
            for event in create(case, script, stream=True):
                kinds.append(event.type)
        except openai.APIError as raised:
            error = raised
        # This client raises where the event has an `error`, and hands on one that is laid out flat.
        check(error or kinds[-1] in ("error", "response.failed"), f"{script}: a broken stream looked whole: {kinds[-3:]}")
        check(kinds, "nothing came before the error")
        check("response.completed" not in kinds, "the stream was completed")


def cancel(case):
    events = create(case, "long+slow", input=case.marked("cancel"), stream=True)
    for n, event in enumerate(events):
        if event.type == "response.output_text.delta":
            break
    events.close()


if __name__ == "__main__":
    run("responses", [
        text, stream, stream_split_characters, conversation, stored, continued,
        background, background_cancelled, background_stream_resumed, length_limit, refusal,
        tools, tools_stream, tool_choice, tools_without_arguments, parallel_tools, parallel_tools_stream,
        structured_output, structured_output_stream, json_mode, image, image_by_url, document,
        reasoning, reasoning_tokens, thoughts, thoughts_stream, thoughts_replayed, hidden_thoughts_replayed,
        reasoning_with_tools,         cached_tokens, cache_writes, contradicting_usage, error_400, error_context, error_401, error_404, error_429,
        error_500, error_529, error_in_stream, cancel,
    ])
