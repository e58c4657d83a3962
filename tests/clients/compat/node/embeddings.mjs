// Embeddings, by OpenAI's JavaScript client, which asks for base64 unless told otherwise.

import OpenAI from "openai";

import { KEY, URL, check, equal, raises, run } from "./common.mjs";

const client = new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0, timeout: 30_000 });

const create = (target, options) =>
  client.embeddings.create({ model: target.model("embed"), input: "Water rises.", ...options });
const near = (a, b) => a.length > 0 && a.length === b.length && a.every((n, i) => Math.abs(n - b[i]) < 1e-6);

run("embeddings", {
  async one_text(target) {
    const { data, usage } = await create(target);
    equal(data.map((item) => item.object), ["embedding"]);
    check([...data[0].embedding].every(Number.isFinite), "no numbers");
    check(usage.prompt_tokens > 0, JSON.stringify(usage));
  },

  async many_texts(target) {
    const { data } = await create(target, { input: ["Water rises.", "水 falls.", "Water rises."] });
    equal(data.map((item) => item.index), [0, 1, 2], "indices");
    const [a, b, c] = data.map((item) => [...item.embedding]);
    check(near(a, c) && !near(a, b), "the order is lost");
  },

  async base64(target) {
    const plain = (await create(target, { encoding_format: "float" })).data[0].embedding;
    check(near([...plain], [...(await create(target)).data[0].embedding]), "base64 and float differ");
  },

  async dimensions(target) {
    equal((await create(target, { dimensions: 256 })).data[0].embedding.length, 256, "dimensions");
  },

  async token_numbers(target) {
    equal((await create(target, { input: [[1, 2, 3], [4, 5]] })).data.length, 2, "vectors");
  },

  async error_400(target) {
    await raises(OpenAI.BadRequestError, create(target, { input: "" }), 400);
  },
});
