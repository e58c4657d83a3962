// Chat Completions, by OpenAI's JavaScript client.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, check, counting, equal, raises, run } from "./common.mjs";

const user = [{ role: "user", content: ASK }];
const tools = ["get_weather", "get_time"].map((name) => ({
  type: "function",
  function: { name, description: "Knows.", strict: true, parameters: SCHEMA },
}));
const City = z.object({ city: z.string() });
const think = { reasoning_effort: "low", max_completion_tokens: 8000 };

const baseURL = `${URL}/v1`;
const client = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 0, timeout: 30_000 });

const asked = (target, script, options) => ({ model: target.model(script), messages: user, ...options });
const create = (target, script, options) => client.chat.completions.create(asked(target, script, options));
// The answer that the library's helper makes of a stream.
const streamed = (target, script, options) =>
  client.chat.completions.stream(asked(target, script, options)).finalChatCompletion();
const content = (answer) => answer.choices[0].message.content;

function called(answer, ...names) {
  const calls = answer.choices[0].message.tool_calls ?? [];
  equal(calls.map((call) => call.function.name), names, "tools");
  for (const call of calls) equal(JSON.parse(call.function.arguments), { city: CITY }, "arguments");
  equal(new Set(calls.map((call) => call.id)).size, names.length, "ids");
  return answer;
}

// Sends the answer back, without what the library adds of its own, with a result for each of its calls.
async function afterTools(target, script, answer, options) {
  const { parsed, ...message } = answer.choices[0].message;
  for (const call of message.tool_calls) delete call.function.parsed_arguments;
  const results = message.tool_calls.map((call, n) => ({
    role: "tool",
    tool_call_id: call.id,
    content: `${n + 20} degrees`,
  }));
  const after = await create(target, script, { messages: [...user, message, ...results], tools, ...options });
  equal(content(after), `The tool said: ${results.map((r) => r.content).join(" | ")}`, "text after the results");
}

run("chat", {
  async text(target) {
    const { data, response } = await create(target, "text").withResponse();
    check(response.headers.get("request-id").startsWith("req_"), "no request id");
    equal([data.object, content(data), data.choices[0].finish_reason], ["chat.completion", WORDS, "stop"]);
    equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens, "usage");
    equal(data.usage.completion_tokens, 6, "usage");
  },

  async stream(target) {
    let [said, finish, last] = ["", null, null];
    const ids = new Set();
    const options = { stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await create(target, "text", options)) {
      last = chunk;
      if (chunk.id) ids.add(chunk.id);
      said += chunk.choices[0]?.delta.content ?? "";
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    equal([said, finish], [WORDS, "stop"]);
    equal([last.usage.completion_tokens, ids.size], [6, 1], "usage and ids");
  },

  async stream_split_characters(target) {
    equal(content(await streamed(target, "split_utf8")), WORDS);
  },

  async conversation(target) {
    const messages = [
      { role: "developer", content: "Answer in one line." },
      { role: "user", content: "Hello." },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: [{ type: "text", text: ASK }] },
    ];
    equal(content(await create(target, "text", { messages })), WORDS);
  },

  async length_limit(target) {
    const answer = await create(target, "length", { max_completion_tokens: 64 });
    equal([answer.choices[0].finish_reason, content(answer)], ["length", "Water höher than 水 "]);
  },

  async stop_sequence(target) {
    equal((await create(target, "stop_sequence", { stop: ["STOP"] })).choices[0].finish_reason, "stop");
  },

  async refusal(target) {
    for (const answer of [await create(target, "refusal"), await streamed(target, "refusal")]) {
      const [choice] = answer.choices;
      check(choice.message.refusal || choice.finish_reason === "content_filter", `no refusal: ${JSON.stringify(choice)}`);
    }
  },

  async tools(target) {
    const answer = called(await create(target, "tools", { tools }), "get_weather");
    equal(answer.choices[0].finish_reason, "tool_calls");
    await afterTools(target, "tools", answer);
  },

  async tools_stream(target) {
    const answer = called(await streamed(target, "tools", { tools }), "get_weather");
    equal(answer.choices[0].finish_reason, "tool_calls");
    await afterTools(target, "tools", answer);
  },

  async tool_choice(target) {
    called(await create(target, "text", { tools, tool_choice: "required" }), "get_weather");
    const tool_choice = { type: "function", function: { name: "get_time" } };
    called(await create(target, "text", { tools, tool_choice }), "get_time");
    equal(content(await create(target, "tools", { tools, tool_choice: "none" })), WORDS);
  },

  async tools_without_arguments(target) {
    const now = { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } };
    const options = { tools: [now] };
    for (const answer of [await create(target, "empty_args", options), await streamed(target, "empty_args", options)]) {
      const [call] = answer.choices[0].message.tool_calls;
      equal([call.function.name, JSON.parse(call.function.arguments || "{}")], ["now", {}]);
    }
  },

  async parallel_tools(target) {
    const answer = called(await create(target, "parallel", { tools }), "get_weather", "get_time");
    await afterTools(target, "parallel", answer);
  },

  async parallel_tools_stream(target) {
    // This library's helper cannot read strict calls whose pieces come in turn.
    const loose = tools.map((tool) => ({ ...tool, function: { ...tool.function, strict: false } }));
    const answer = called(await streamed(target, "parallel", { tools: loose }), "get_weather", "get_time");
    await afterTools(target, "parallel", answer);
  },

  async structured_output(target) {
    const response_format = zodResponseFormat(City, "city");
    const answer = await client.chat.completions.parse(asked(target, "json", { response_format }));
    equal(answer.choices[0].message.parsed, { city: CITY });
  },

  async structured_output_stream(target) {
    const answer = await streamed(target, "json", { response_format: zodResponseFormat(City, "city") });
    equal(answer.choices[0].message.parsed, { city: CITY });
  },

  async json_mode(target) {
    const messages = [{ role: "user", content: "A city, as JSON." }];
    const answer = await create(target, "json", { messages, response_format: { type: "json_object" } });
    equal(JSON.parse(content(answer)), { city: CITY });
  },

  async image(target) {
    const parts = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
    ];
    equal(content(await create(target, "text", { messages: [{ role: "user", content: parts }] })), WORDS);
  },

  async image_by_url(target) {
    const parts = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: "https://example.com/a.png" } },
    ];
    equal(content(await create(target, "text", { messages: [{ role: "user", content: parts }] })), WORDS);
  },

  async document(target) {
    const file = { filename: "a.pdf", file_data: `data:application/pdf;base64,${PDF}` };
    const parts = [{ type: "text", text: "Sum up." }, { type: "file", file }];
    equal(content(await create(target, "text", { messages: [{ role: "user", content: parts }] })), WORDS);
  },

  async reasoning(target) {
    const answer = await create(target, "thinking", think);
    equal(content(answer), WORDS);
    check(answer.usage.completion_tokens >= 64 + 6, `thoughts are not counted: ${JSON.stringify(answer.usage)}`);
  },

  async reasoning_tokens(target) {
    const { usage } = await create(target, "thinking", think);
    equal(usage.completion_tokens_details?.reasoning_tokens, 64, "reasoning tokens");
  },

  async thoughts(target) {
    equal((await create(target, "thinking", think)).choices[0].message.reasoning_content, THOUGHTS, "reasoning_content");
  },

  async thoughts_stream(target) {
    let thought = "";
    for await (const chunk of await create(target, "thinking", { ...think, stream: true })) {
      thought += chunk.choices[0]?.delta.reasoning_content ?? "";
    }
    equal(thought, THOUGHTS, "reasoning_content");
  },

  async thoughts_replayed(target) {
    const { message } = (await create(target, "thinking", think)).choices[0];
    equal(message.reasoning_content, THOUGHTS, "reasoning_content");
    const messages = [...user, message, { role: "user", content: "And now?" }];
    equal(content(await create(target, "thinking", { messages, ...think })), WORDS);
  },

  async hidden_thoughts_replayed(target) {
    const { message } = (await create(target, "redacted", think)).choices[0];
    const messages = [...user, message, { role: "user", content: "And now?" }];
    equal(content(await create(target, "redacted", { messages, ...think })), WORDS);
  },

  async reasoning_with_tools(target) {
    const answer = called(await create(target, "thinking+tools", { tools, ...think }), "get_weather");
    await afterTools(target, "thinking+tools", answer, think);
  },

  async cached_tokens(target) {
    const whole = await create(target, "cached");
    const stream = await streamed(target, "cached", { stream_options: { include_usage: true } });
    for (const { usage } of [whole, stream]) {
      equal(usage.prompt_tokens_details.cached_tokens, 1200, "cached tokens");
      check(usage.prompt_tokens > 1200, JSON.stringify(usage));
    }
  },

  async contradicting_usage(target) {
    equal(content(await create(target, "odd_usage")), WORDS);
    equal(content(await streamed(target, "odd_usage")), WORDS);
  },

  async error_400(target) {
    const error = await raises(OpenAI.BadRequestError, create(target, "e400"), 400);
    check(error.message && error.requestID, "no message or request id");
    await raises(OpenAI.BadRequestError, create(target, "text", { messages: "no list" }), 400);
  },

  async error_context(target) {
    await raises(OpenAI.BadRequestError, create(target, "context"), 400, "context_length_exceeded");
  },

  async error_401(target) {
    // The provider refuses our credential: never the caller's fault.
    await raises(OpenAI.InternalServerError, create(target, "e401"), 502, "upstream_account_error");
    const other = new OpenAI({ baseURL, apiKey: "sk-nobody-knows-this-one", maxRetries: 0 });
    const ask = other.chat.completions.create(asked(target, "text"));
    await raises(OpenAI.AuthenticationError, ask, 401, "invalid_api_key");
  },

  async error_404(target) {
    await raises(OpenAI.NotFoundError, create(target, "e404"), 404);
    await raises(OpenAI.NotFoundError, create(target, "no-such-alias"), 404, "model_not_found");
  },

  async error_429(target) {
    const sent = counting();
    const patient = new OpenAI({ baseURL, apiKey: KEY, maxRetries: 1, fetch: sent.fetch });
    const ask = patient.chat.completions.create(asked(target, "e429"));
    await raises(OpenAI.RateLimitError, ask, 429, "upstream_rate_limited");
    equal(sent.count, 2, "requests sent");
  },

  async error_500(target) {
    await raises(OpenAI.InternalServerError, create(target, "e500"), 502, "upstream_error");
    const messages = [{ role: "user", content: target.marked("retry") }];
    const answer = await client.chat.completions.create(asked(target, "flaky-2", { messages }), { maxRetries: 4 });
    equal(content(answer), WORDS);
  },

  async error_529(target) {
    await raises(OpenAI.InternalServerError, create(target, "e529"), 503, "server_is_overloaded");
  },

  async error_in_stream(target) {
    for (const script of ["mid_error+slow", "cut+slow"]) {
      let seen = 0;
      const read = async () => {
        for await (const _ of await create(target, script, { stream: true })) seen += 1;
      };
      await raises(OpenAI.APIError, read());
      check(seen, "nothing came before the error");
    }
  },

  async cancel(target) {
    const messages = [{ role: "user", content: target.marked("cancel") }];
    const events = await create(target, "long+slow", { messages, stream: true });
    let seen = 0;
    for await (const _ of events) {
      seen += 1;
      if (seen === 3) break;
    }
    equal(seen, 3, "chunks");
  },

  async models(target) {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    check(ids.includes(target.model("text")), "the alias is not listed");
    equal((await client.models.retrieve(target.model("text"))).object, "model");
  },
});
