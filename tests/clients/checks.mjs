// The official JavaScript client against a running Forebay, unmodified.
//
// Reads FOREBAY_URL and FOREBAY_KEY; prints a line for each check; exit code 0 only if all hold.

import assert from "node:assert/strict";

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const baseURL = `${process.env.FOREBAY_URL}/v1`;
const apiKey = process.env.FOREBAY_KEY;
const WORDS = "Water höher than 水 rises ";
const messages = [{ role: "user", content: "How high does the water rise?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      strict: true,
      parameters: {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
      },
    },
  },
];

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });

async function raises(kind, code, options) {
  await assert.rejects(
    client.chat.completions.create({ model: "ok", messages, ...options }),
    (error) => {
      assert.equal(error.constructor, kind, `${error.constructor.name} instead of ${kind.name}`);
      if (code) assert.equal(error.code, code);
      assert.ok(error.requestID, "the error has no request id");
      return true;
    },
  );
}

const checks = {
  async text() {
    const { data, response } = await client.chat.completions
      .create({ model: "ok", messages }, { headers: { "x-request-id": "node-1" } })
      .withResponse();
    assert.equal(response.headers.get("x-request-id"), "node-1");
    assert.match(response.headers.get("request-id"), /^req_/);
    assert.equal(data.choices[0].message.content, WORDS);
    assert.equal(data.usage.total_tokens, 16);
  },

  async stream() {
    let said = "";
    for await (const chunk of await client.chat.completions.create({ model: "s6x2", messages, stream: true })) {
      assert.ok(!chunk.usage && chunk.choices.length === 1);
      said += chunk.choices[0].delta.content ?? "";
    }
    assert.equal(said, `${WORDS}🌊 `);
  },

  async stream_with_usage() {
    const stream_options = { include_usage: true };
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ model: "ok", messages, stream: true, stream_options })) {
      chunks.push(chunk);
    }
    assert.equal(chunks.at(-1).usage.total_tokens, 16);
    assert.equal(chunks.at(-1).choices.length, 0);
  },

  async stream_helper() {
    const events = client.chat.completions.stream({ model: "ok+split-utf8", messages });
    assert.equal((await events.finalChatCompletion()).choices[0].message.content, WORDS);
  },

  async tools() {
    const answer = await client.chat.completions.create({ model: "tools", messages, tools, tool_choice: "required" });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.arguments, '{"city":"Paris"}');
    const talk = [...messages, answer.choices[0].message, { role: "tool", tool_call_id: call.id, content: "21 degrees" }];
    assert.ok((await client.chat.completions.create({ model: "ok", messages: talk, tools })).id);
    const events = client.chat.completions.stream({ model: "tools", messages, tools });
    const [streamed] = (await events.finalChatCompletion()).choices[0].message.tool_calls;
    assert.equal(streamed.function.arguments, '{"city":"Paris"}');
  },

  async structured_output() {
    const response_format = zodResponseFormat(z.object({ city: z.string() }), "city");
    const answer = await client.chat.completions.parse({ model: "json", messages, response_format });
    assert.deepEqual(answer.choices[0].message.parsed, { city: "Köln" });
  },

  async image() {
    const url = "data:image/png;base64,iVBORw0KGgo=";
    const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
    const answer = await client.chat.completions.create({ model: "ok", messages: [{ role: "user", content }] });
    assert.equal(answer.choices[0].message.content, WORDS);
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes("renamed"));
  },

  async error_classes() {
    await raises(OpenAI.BadRequestError, null, { model: "status-400" });
    await raises(OpenAI.BadRequestError, null, { messages: "no list" });
    await raises(OpenAI.NotFoundError, null, { model: "status-404" });
    await raises(OpenAI.UnprocessableEntityError, null, { model: "status-422" });
    await raises(OpenAI.RateLimitError, "upstream_rate_limited", { model: "status-429" });
    await raises(OpenAI.InternalServerError, "upstream_error", { model: "status-500" });
    await raises(OpenAI.InternalServerError, "server_is_overloaded", { model: "status-503" });
    await raises(OpenAI.InternalServerError, "upstream_account_error", { model: "status-401" });
    const other = new OpenAI({ baseURL, apiKey: "sk-nobody-knows-this-one", maxRetries: 0 });
    await assert.rejects(other.chat.completions.create({ model: "ok", messages }), OpenAI.AuthenticationError);
  },

  async error_within_a_stream() {
    for (const model of ["midstream-error", "cut"]) {
      const read = async () => {
        for await (const _ of await client.chat.completions.create({ model, messages, stream: true }));
      };
      await assert.rejects(read(), OpenAI.APIError, model);
    }
  },

  async retries() {
    const user = "node-retries";
    const answer = await client.chat.completions.create({ model: "status-500-then-ok", messages, user });
    assert.equal(answer.choices[0].message.content, WORDS);
    for (const [model, sent] of [["status-401", 1], ["quota", 1], ["status-429-retry-ms-50", 2]]) {
      let asked = 0;
      const counting = (url, init) => {
        asked += 1;
        return fetch(url, init);
      };
      const patient = new OpenAI({ baseURL, apiKey, maxRetries: 1, fetch: counting });
      await assert.rejects(patient.chat.completions.create({ model, messages }), OpenAI.APIError);
      assert.equal(asked, sent, `${model} was sent ${asked} times instead of ${sent}`);
    }
  },

  async timeout() {
    const asked = client.chat.completions.create({ model: "hang", messages, user: "node-timeout" }, { timeout: 1500 });
    await assert.rejects(asked, OpenAI.APIError);
  },

  async cancel() {
    let seen = 0;
    const stream = await client.chat.completions.create({ model: "s600x100", messages, stream: true, user: "node-cancel" });
    for await (const _ of stream) {
      seen += 1;
      if (seen === 4) stream.controller.abort();
    }
    assert.ok(seen >= 4);
  },

  async many_at_once() {
    const ask = () => client.chat.completions.create({ model: "slow-50", messages });
    const answers = await Promise.all(Array.from({ length: 40 }, ask));
    assert.equal(new Set(answers.map((answer) => answer.id)).size, 40);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(checks)) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
