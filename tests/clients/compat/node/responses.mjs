// Responses, by OpenAI's JavaScript client.

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, check, counting, equal, raises, run } from "./common.mjs";

const user = [{ role: "user", content: ASK }];
const tools = ["get_weather", "get_time"].map((name) => ({
  type: "function",
  name,
  description: "Knows.",
  strict: true,
  parameters: SCHEMA,
}));
const think = {
  max_output_tokens: 8000,
  reasoning: { effort: "low", summary: "auto" },
  include: ["reasoning.encrypted_content"],
};
const City = z.object({ city: z.string() });

const baseURL = `${URL}/v1`;
const client = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0, timeout: 30_000 });

const asked = (target, script, options) => ({ model: target.model(script), input: ASK, store: false, ...options });
const create = (target, script, options) => client.responses.create(asked(target, script, options));
// The answer that the library's helper makes of a stream.
const streamed = (target, script, options) => client.responses.stream(asked(target, script, options)).finalResponse();
const both = async (target, script, options) => [
  await create(target, script, options),
  await streamed(target, script, options),
];

const items = (answer, type) => answer.output.filter((item) => item.type === type);
const thought = (answer) =>
  items(answer, "reasoning").flatMap((item) => item.summary).map((part) => part.text).join("");

function called(answer, ...names) {
  const calls = items(answer, "function_call");
  equal(calls.map((call) => call.name), names, "tools");
  for (const call of calls) equal(JSON.parse(call.arguments), { city: CITY }, "arguments");
  equal(new Set(calls.map((call) => call.call_id)).size, names.length, "ids");
  return answer;
}

// The items of an answer as the next input, without what the library adds of its own.
const again = (answer) =>
  answer.output.map(({ parsed_arguments, status, ...item }) => ({
    ...item,
    ...(item.content && { content: item.content.map(({ parsed, ...part }) => part) }),
  }));

// Sends the answer back with a result for each of its calls.
async function afterTools(target, script, answer, options) {
  const results = items(answer, "function_call").map((call, n) => ({
    type: "function_call_output",
    call_id: call.call_id,
    output: `${n + 20} degrees`,
  }));
  const after = await create(target, script, { input: [...user, ...again(answer), ...results], tools, ...options });
  equal(after.output_text, `The tool said: ${results.map((r) => r.output).join(" | ")}`, "text after the results");
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// The answer once it waits no more, at most 20 s later.
async function polled(answer, waiting = ["queued", "in_progress"]) {
  for (let n = 0; n < 200; n += 1) {
    if (!waiting.includes(answer.status)) return answer;
    await sleep(100);
    answer = await client.responses.retrieve(answer.id);
  }
  throw new Error(`still ${answer.status}`);
}

run("responses", {
  async text(target) {
    const { data, response } = await create(target, "text").withResponse();
    check(response.headers.get("request-id").startsWith("req_"), "no request id");
    equal([data.object, data.status, data.output_text], ["response", "completed", WORDS]);
    equal(data.usage.total_tokens, data.usage.input_tokens + data.usage.output_tokens, "usage");
    equal(data.usage.output_tokens, 6, "usage");
  },

  async stream(target) {
    const [kinds, numbers] = [[], []];
    let said = "";
    for await (const event of await create(target, "text", { stream: true })) {
      kinds.push(event.type);
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") said += event.delta;
    }
    equal(said, WORDS);
    equal([kinds[0], kinds.at(-1)], ["response.created", "response.completed"], "first and last event");
    equal(numbers, [...new Set(numbers)].sort((a, b) => a - b), "sequence numbers");
  },

  async stream_split_characters(target) {
    equal((await streamed(target, "split_utf8")).output_text, WORDS);
  },

  async conversation(target) {
    const input = [
      { role: "developer", content: "Be kind." },
      { role: "user", content: "Hello." },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: [{ type: "input_text", text: ASK }] },
    ];
    equal((await create(target, "text", { input, instructions: "Answer in one line." })).output_text, WORDS);
  },

  async stored(target) {
    const answer = await create(target, "text", { store: true });
    const kept = await client.responses.retrieve(answer.id);
    equal([kept.id, kept.output_text], [answer.id, WORDS]);
    const input = [];
    for await (const item of client.responses.inputItems.list(answer.id)) input.push([item.role, item.content[0].text]);
    equal(input, [["user", ASK]], "input");
    await client.responses.delete(answer.id);
    await raises(OpenAI.NotFoundError, client.responses.retrieve(answer.id), 404);
  },

  async continued(target) {
    // The turn before is the gateway's to send again, with whatever thoughts its provider wants back.
    for (const first of [create, streamed]) {
      const options = { tools, store: true, ...think };
      const answer = called(await first(target, "thinking+tools", options), "get_weather");
      const [call] = items(answer, "function_call");
      const input = [{ type: "function_call_output", call_id: call.call_id, output: "20 degrees" }];
      const more = { input, previous_response_id: answer.id, ...options };
      equal((await create(target, "thinking+tools", more)).output_text, "The tool said: 20 degrees");
    }
  },

  async background(target) {
    let answer = await create(target, "text", { background: true, store: true });
    check(["queued", "in_progress"].includes(answer.status), answer.status);
    answer = await polled(answer);
    equal([answer.status, answer.output_text], ["completed", WORDS]);
  },

  async background_cancelled(target) {
    const { id } = await polled(await create(target, "hang", { background: true, store: true }), ["queued"]);
    // The provider is at it by then, so that there is a call to drop.
    await sleep(500);
    equal((await client.responses.cancel(id)).id, id);
    equal((await polled(await client.responses.retrieve(id))).status, "cancelled");
  },

  async background_stream_resumed(target) {
    let [said, number, made, last] = ["", null, null, null];
    for await (const event of await create(target, "text", { background: true, store: true, stream: true })) {
      number = event.sequence_number;
      if (event.type === "response.created") made = event.response.id;
      if (event.type === "response.output_text.delta") {
        said += event.delta;
        break;
      }
    }
    for await (const event of await client.responses.retrieve(made, { stream: true, starting_after: number })) {
      check(event.sequence_number > number, "an event comes twice");
      [number, last] = [event.sequence_number, event.type];
      if (event.type === "response.output_text.delta") said += event.delta;
    }
    equal([last, said], ["response.completed", WORDS]);
  },

  async length_limit(target) {
    const answer = await create(target, "length", { max_output_tokens: 64 });
    equal([answer.status, answer.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
    equal(answer.output_text, "Water höher than 水 ");
  },

  async refusal(target) {
    for (const answer of await both(target, "refusal")) {
      const parts = items(answer, "message").flatMap((item) => item.content);
      const refused = parts.some((part) => part.type === "refusal");
      const filtered = answer.incomplete_details?.reason === "content_filter";
      check(refused || filtered, `no refusal: ${JSON.stringify(answer.output)}`);
    }
  },

  async tools(target) {
    await afterTools(target, "tools", called(await create(target, "tools", { tools }), "get_weather"));
  },

  async tools_stream(target) {
    await afterTools(target, "tools", called(await streamed(target, "tools", { tools }), "get_weather"));
  },

  async tool_choice(target) {
    const choose = (script, tool_choice) => create(target, script, { tools, tool_choice });
    called(await choose("text", "required"), "get_weather");
    called(await choose("text", { type: "function", name: "get_time" }), "get_time");
    equal((await choose("tools", "none")).output_text, WORDS);
  },

  async tools_without_arguments(target) {
    const parameters = { type: "object", properties: {}, additionalProperties: false, required: [] };
    const now = [{ type: "function", name: "now", strict: true, parameters }];
    for (const answer of await both(target, "empty_args", { tools: now })) {
      const [call] = items(answer, "function_call");
      equal([call.name, JSON.parse(call.arguments || "{}")], ["now", {}]);
    }
  },

  async parallel_tools(target) {
    const answer = called(await create(target, "parallel", { tools }), "get_weather", "get_time");
    await afterTools(target, "parallel", answer);
  },

  async parallel_tools_stream(target) {
    const answer = called(await streamed(target, "parallel", { tools }), "get_weather", "get_time");
    await afterTools(target, "parallel", answer);
  },

  async structured_output(target) {
    const text = { format: zodTextFormat(City, "city") };
    equal((await client.responses.parse(asked(target, "json", { text }))).output_parsed, { city: CITY });
  },

  async structured_output_stream(target) {
    const text = { format: zodTextFormat(City, "city") };
    equal((await streamed(target, "json", { text })).output_parsed, { city: CITY });
  },

  async json_mode(target) {
    const text = { format: { type: "json_object" } };
    const answer = await create(target, "json", { input: "A city, as JSON.", text });
    equal(JSON.parse(answer.output_text), { city: CITY });
  },

  async image(target) {
    const content = [
      { type: "input_text", text: "What is this?" },
      { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${PNG}` },
    ];
    equal((await create(target, "text", { input: [{ role: "user", content }] })).output_text, WORDS);
  },

  async image_by_url(target) {
    const content = [
      { type: "input_text", text: "What is this?" },
      { type: "input_image", detail: "auto", image_url: "https://example.com/a.png" },
    ];
    equal((await create(target, "text", { input: [{ role: "user", content }] })).output_text, WORDS);
  },

  async document(target) {
    const content = [
      { type: "input_file", filename: "a.pdf", file_data: `data:application/pdf;base64,${PDF}` },
      { type: "input_text", text: "Sum up." },
    ];
    equal((await create(target, "text", { input: [{ role: "user", content }] })).output_text, WORDS);
  },

  async reasoning(target) {
    const answer = await create(target, "thinking", think);
    equal(answer.output_text, WORDS);
    check(answer.usage.output_tokens >= 64 + 6, `thoughts are not counted: ${JSON.stringify(answer.usage)}`);
  },

  async reasoning_tokens(target) {
    const { usage } = await create(target, "thinking", think);
    equal(usage.output_tokens_details.reasoning_tokens, 64, "reasoning tokens");
  },

  async thoughts(target) {
    equal(thought(await create(target, "thinking", think)), THOUGHTS, "summary");
  },

  async thoughts_stream(target) {
    const answer = await streamed(target, "thinking", think);
    equal([thought(answer), answer.output_text], [THOUGHTS, WORDS]);
  },

  async thoughts_replayed(target) {
    const answer = await streamed(target, "thinking", think);
    check(items(answer, "reasoning").some((item) => item.encrypted_content), "nothing encrypted");
    const input = [...user, ...again(answer), { role: "user", content: "And now?" }];
    equal((await create(target, "thinking", { input, ...think })).output_text, WORDS);
  },

  async hidden_thoughts_replayed(target) {
    const answer = await create(target, "redacted", think);
    equal([thought(answer), answer.output_text], ["", WORDS]);
    const input = [...user, ...again(answer), { role: "user", content: "And now?" }];
    equal((await create(target, "redacted", { input, ...think })).output_text, WORDS);
  },

  async reasoning_with_tools(target) {
    const answer = called(await create(target, "thinking+tools", { tools, ...think }), "get_weather");
    await afterTools(target, "thinking+tools", answer, think);
  },

  async cached_tokens(target) {
    for (const { usage } of await both(target, "cached")) {
      equal(usage.input_tokens_details.cached_tokens, 1200, "cached tokens");
      check(usage.input_tokens > 1200, JSON.stringify(usage));
    }
  },

  async cache_writes(target) {
    for (const { usage } of await both(target, "cached")) {
      equal(usage.input_tokens_details.cache_write_tokens, 400, "cache writes");
    }
  },

  async contradicting_usage(target) {
    equal((await both(target, "odd_usage")).map((answer) => answer.output_text), [WORDS, WORDS]);
  },

  async error_400(target) {
    const error = await raises(OpenAI.BadRequestError, create(target, "e400"), 400);
    check(error.message && error.requestID, "no message or request id");
    await raises(OpenAI.BadRequestError, create(target, "text", { input: 17 }), 400);
  },

  async error_context(target) {
    await raises(OpenAI.BadRequestError, create(target, "context"), 400, "context_length_exceeded");
  },

  async error_401(target) {
    // The provider refuses our credential: never the caller's fault.
    await raises(OpenAI.InternalServerError, create(target, "e401"), 502, "upstream_account_error");
    const other = new OpenAI({ baseURL, apiKey: "sk-nobody-knows-this-one", maxRetries: 0 });
    await raises(OpenAI.AuthenticationError, other.responses.create(asked(target, "text")), 401, "invalid_api_key");
  },

  async error_404(target) {
    await raises(OpenAI.NotFoundError, create(target, "e404"), 404);
    await raises(OpenAI.NotFoundError, create(target, "no-such-alias"), 404, "model_not_found");
  },

  async error_429(target) {
    const sent = counting();
    const patient = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 1, fetch: sent.fetch });
    const ask = patient.responses.create(asked(target, "e429"));
    await raises(OpenAI.RateLimitError, ask, 429, "upstream_rate_limited");
    equal(sent.count, 2, "requests sent");
  },

  async error_500(target) {
    await raises(OpenAI.InternalServerError, create(target, "e500"), 502, "upstream_error");
    const options = { input: target.marked("retry") };
    const answer = await client.responses.create(asked(target, "flaky-2", options), { maxRetries: 4 });
    equal(answer.output_text, WORDS);
  },

  async error_529(target) {
    await raises(OpenAI.InternalServerError, create(target, "e529"), 503, "server_is_overloaded");
  },

  async error_in_stream(target) {
    for (const script of ["mid_error+slow", "cut+slow"]) {
      const kinds = [];
      let error;
      try {
        for await (const event of await create(target, script, { stream: true })) kinds.push(event.type);
      } catch (raised) {
        error = raised;
      }
      // This client raises where the event has an `error`, and hands on one that is laid out flat.
      const told = error instanceof OpenAI.APIError || ["error", "response.failed"].includes(kinds.at(-1));
      check(told, `${script}: a broken stream looked whole: ${error} ${kinds.slice(-3)}`);
      check(kinds.length, "nothing came before the error");
      check(!kinds.includes("response.completed"), "the stream was completed");
    }
  },

  async cancel(target) {
    const events = await create(target, "long+slow", { input: target.marked("cancel"), stream: true });
    for await (const event of events) {
      if (event.type === "response.output_text.delta") break;
    }
  },
});
