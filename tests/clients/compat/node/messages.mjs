// Messages, by Anthropic's JavaScript client.

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";

import { ASK, CITY, KEY, PDF, PNG, SCHEMA, THOUGHTS, URL, WORDS, check, counting, equal, raises, run } from "./common.mjs";

const user = [{ role: "user", content: ASK }];
const tools = ["get_weather", "get_time"].map((name) => ({ name, description: "Knows.", input_schema: SCHEMA }));
const think = {
  max_tokens: 8000,
  thinking: { type: "adaptive", display: "summarized" },
  output_config: { effort: "low" },
};
const png = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };

const client = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0, timeout: 30_000 });

const asked = (target, script, options) => ({
  model: target.model(script),
  messages: user,
  max_tokens: 1024,
  ...options,
});
const create = (target, script, options) => client.messages.create(asked(target, script, options));
// The answer that the library's helper makes of a stream.
const streamed = (target, script, options) => client.messages.stream(asked(target, script, options)).finalMessage();
const both = async (target, script, options) => [
  await create(target, script, options),
  await streamed(target, script, options),
];

const blocks = (answer, type) => answer.content.filter((block) => block.type === type);
const said = (answer) => blocks(answer, "text").map((block) => block.text).join("");
const thought = (answer) => blocks(answer, "thinking").map((block) => block.thinking).join("");

function called(answer, ...names) {
  const calls = blocks(answer, "tool_use");
  equal(calls.map((call) => call.name), names, "tools");
  for (const call of calls) equal(call.input, { city: CITY }, "input");
  equal(new Set(calls.map((call) => call.id)).size, names.length, "ids");
  equal(answer.stop_reason, "tool_use");
  return answer;
}

// Sends the answer back as it came, with a result for each of its calls.
async function afterTools(target, script, answer, options, content) {
  const results = blocks(answer, "tool_use").map((call, n) => ({
    type: "tool_result",
    tool_use_id: call.id,
    content: content ?? `${n + 20} degrees`,
  }));
  const assistant = { role: "assistant", content: answer.content };
  const messages = [...user, assistant, { role: "user", content: results }];
  const after = said(await create(target, script, { messages, tools, ...options }));
  if (content) check(after.startsWith("The tool said: 20 degrees"), after);
  else equal(after, `The tool said: ${results.map((r) => r.content).join(" | ")}`, "text after the results");
}

const one = (content) => ({ messages: [{ role: "user", content }] });

run("messages", {
  async text(target) {
    const { data, response } = await create(target, "text").withResponse();
    check(response.headers.get("request-id").startsWith("req_"), "no request id");
    equal([data.type, data.role, said(data), data.stop_reason], ["message", "assistant", WORDS, "end_turn"]);
    equal(data.model, target.model("text"), "model");
    check(data.usage.input_tokens > 0, "no input is counted");
    equal(data.usage.output_tokens, 6, "usage");
  },

  async stream(target) {
    const kinds = [];
    let text = "";
    for await (const event of await create(target, "text", { stream: true })) {
      kinds.push(event.type);
      if (event.type === "content_block_delta") text += event.delta.text;
      if (event.type === "message_delta") {
        equal([event.delta.stop_reason, event.usage.output_tokens], ["end_turn", 6], "end");
      }
    }
    equal(text, WORDS);
    equal([kinds[0], kinds.at(-1)], ["message_start", "message_stop"], "first and last event");
  },

  async stream_split_characters(target) {
    equal(said(await streamed(target, "split_utf8")), WORDS);
  },

  async conversation(target) {
    const messages = [
      { role: "user", content: "Hello." },
      { role: "assistant", content: "Hello!" },
      { role: "user", content: [{ type: "text", text: ASK }] },
    ];
    const system = ["Answer in one line.", "Be kind."].map((text) => ({ type: "text", text }));
    equal(said(await create(target, "text", { messages, system })), WORDS);
  },

  async length_limit(target) {
    const answer = await create(target, "length", { max_tokens: 64 });
    equal([answer.stop_reason, said(answer)], ["max_tokens", "Water höher than 水 "]);
  },

  async stop_sequence(target) {
    const answer = await create(target, "stop_sequence", { stop_sequences: ["STOP"] });
    check(["stop_sequence", "end_turn"].includes(answer.stop_reason), answer.stop_reason);
  },

  async stop_sequence_named(target) {
    const answer = await create(target, "stop_sequence", { stop_sequences: ["STOP"] });
    equal([answer.stop_reason, answer.stop_sequence], ["stop_sequence", "STOP"]);
  },

  async refusal(target) {
    const reasons = (await both(target, "refusal")).map((answer) => answer.stop_reason);
    equal(reasons, ["refusal", "refusal"]);
  },

  async tools(target) {
    await afterTools(target, "tools", called(await create(target, "tools", { tools }), "get_weather"));
  },

  async tools_stream(target) {
    await afterTools(target, "tools", called(await streamed(target, "tools", { tools }), "get_weather"));
  },

  async tool_choice(target) {
    const choose = (script, tool_choice) => create(target, script, { tools, tool_choice });
    called(await choose("text", { type: "any" }), "get_weather");
    called(await choose("text", { type: "tool", name: "get_time" }), "get_time");
    equal(said(await choose("tools", { type: "none" })), WORDS);
  },

  async tools_without_arguments(target) {
    const now = [{ name: "now", input_schema: { type: "object", properties: {} } }];
    for (const answer of await both(target, "empty_args", { tools: now })) {
      const [call] = blocks(answer, "tool_use");
      equal([call.name, call.input], ["now", {}]);
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
    const output_config = { format: zodOutputFormat(z.object({ city: z.string() })) };
    const answer = await client.messages.parse(asked(target, "json", { output_config }));
    equal(answer.parsed_output, { city: CITY });
  },

  async structured_output_stream(target) {
    const output_config = { format: zodOutputFormat(z.object({ city: z.string() })) };
    equal((await streamed(target, "json", { output_config })).parsed_output, { city: CITY });
  },

  async image(target) {
    equal(said(await create(target, "text", one([png, { type: "text", text: "What is this?" }]))), WORDS);
  },

  async image_by_url(target) {
    const image = { type: "image", source: { type: "url", url: "https://example.com/a.png" } };
    equal(said(await create(target, "text", one([image, { type: "text", text: "What is this?" }]))), WORDS);
  },

  async image_in_tool_result(target) {
    const answer = called(await create(target, "tools", { tools }), "get_weather");
    await afterTools(target, "tools", answer, {}, [{ type: "text", text: "20 degrees" }, png]);
  },

  async document(target) {
    const source = { type: "base64", media_type: "application/pdf", data: PDF };
    const content = [{ type: "document", source }, { type: "text", text: "Sum up." }];
    equal(said(await create(target, "text", one(content))), WORDS);
  },

  async reasoning(target) {
    const answer = await create(target, "thinking", think);
    equal(said(answer), WORDS);
    check(answer.usage.output_tokens >= 64 + 6, `thoughts are not counted: ${JSON.stringify(answer.usage)}`);
  },

  async reasoning_tokens(target) {
    const { usage } = await create(target, "thinking", think);
    equal(usage.output_tokens_details?.thinking_tokens, 64, "thinking tokens");
  },

  async thoughts(target) {
    const answer = await create(target, "thinking", think);
    equal([answer.content[0].type, thought(answer)], ["thinking", THOUGHTS], "thinking");
  },

  async thoughts_stream(target) {
    const answer = await streamed(target, "thinking", think);
    equal([answer.content[0].type, thought(answer), said(answer)], ["thinking", THOUGHTS, WORDS]);
  },

  async thoughts_replayed(target) {
    const answer = await streamed(target, "thinking", think);
    equal(thought(answer), THOUGHTS, "thinking");
    const messages = [...user, { role: "assistant", content: answer.content }, { role: "user", content: "And now?" }];
    equal(said(await create(target, "thinking", { messages, ...think })), WORDS);
  },

  async hidden_thoughts_replayed(target) {
    const answer = await create(target, "redacted", think);
    equal([thought(answer), said(answer)], ["", WORDS]);
    const messages = [...user, { role: "assistant", content: answer.content }, { role: "user", content: "And now?" }];
    equal(said(await create(target, "redacted", { messages, ...think })), WORDS);
  },

  async reasoning_with_tools(target) {
    const answer = called(await create(target, "thinking+tools", { tools, ...think }), "get_weather");
    await afterTools(target, "thinking+tools", answer, think);
  },

  async cached_tokens(target) {
    const system = [{ type: "text", text: "Long. ".repeat(400), cache_control: { type: "ephemeral" } }];
    for (const { usage } of await both(target, "cached", { system })) {
      equal(usage.cache_read_input_tokens, 1200, "cached tokens");
      check(usage.input_tokens > 0 && usage.input_tokens < 1200, JSON.stringify(usage));
    }
  },

  async cache_writes(target) {
    const system = [{ type: "text", text: "Long. ".repeat(400), cache_control: { type: "ephemeral" } }];
    for (const { usage } of await both(target, "cached", { system })) {
      equal(usage.cache_creation_input_tokens, 400, "cache writes");
    }
  },

  async contradicting_usage(target) {
    equal((await both(target, "odd_usage")).map(said), [WORDS, WORDS]);
  },

  async error_400(target) {
    const error = await raises(Anthropic.BadRequestError, create(target, "e400"), 400);
    equal(error.error.error.type, "invalid_request_error", "type");
    check(error.requestID, "no request id");
    await raises(Anthropic.BadRequestError, create(target, "text", { messages: "no list" }), 400);
  },

  async error_context(target) {
    const error = await raises(Anthropic.BadRequestError, create(target, "context"), 400);
    check(error.error.error.message.includes("prompt is too long"), error.message);
  },

  async error_401(target) {
    // The provider refuses our credential: never the caller's fault.
    await raises(Anthropic.InternalServerError, create(target, "e401"), 500);
    const other = new Anthropic({ baseURL: URL, apiKey: "sk-nobody-knows-this-one", maxRetries: 0 });
    await raises(Anthropic.AuthenticationError, other.messages.create(asked(target, "text")), 401);
  },

  async error_404(target) {
    await raises(Anthropic.NotFoundError, create(target, "e404"), 404);
    await raises(Anthropic.NotFoundError, create(target, "no-such-alias"), 404);
  },

  async error_429(target) {
    const sent = counting();
    const patient = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 1, fetch: sent.fetch });
    const error = await raises(Anthropic.RateLimitError, patient.messages.create(asked(target, "e429")), 429);
    equal(error.error.error.type, "rate_limit_error", "type");
    equal(sent.count, 2, "requests sent");
  },

  async error_500(target) {
    await raises(Anthropic.InternalServerError, create(target, "e500"), 500);
    const messages = [{ role: "user", content: target.marked("retry") }];
    const answer = await client.messages.create(asked(target, "flaky-2", { messages }), { maxRetries: 4 });
    equal(said(answer), WORDS);
  },

  async error_529(target) {
    const error = await raises(Anthropic.OverloadedError ?? Anthropic.InternalServerError, create(target, "e529"), 529);
    equal(error.error.error.type, "overloaded_error", "type");
  },

  async error_in_stream(target) {
    for (const script of ["mid_error+slow", "cut+slow"]) {
      let [seen, error] = [0, null];
      try {
        for await (const _ of await create(target, script, { stream: true })) seen += 1;
      } catch (raised) {
        error = raised;
      }
      check(error instanceof Anthropic.APIError, `${script}: a broken stream looked whole: ${error}`);
      check(seen, "nothing came before the error");
    }
  },

  async cancel(target) {
    const messages = [{ role: "user", content: target.marked("cancel") }];
    let seen = 0;
    for await (const _ of await create(target, "long+slow", { messages, stream: true })) {
      seen += 1;
      if (seen === 4) break;
    }
    equal(seen, 4, "events");
  },

  async count_tokens(target) {
    const counted = await client.messages.countTokens({ model: target.model("text"), messages: user, tools });
    check(counted.input_tokens > 20, JSON.stringify(counted));
  },

  async models(target) {
    const ids = [];
    for await (const model of client.models.list({ limit: 1000 })) ids.push(model.id);
    check(ids.includes(target.model("text")), "the alias is not listed");
    equal((await client.models.retrieve(target.model("text"))).type, "model");
  },
});
