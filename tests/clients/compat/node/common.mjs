// What the scripts of all APIs share, as ../python/common.py has it.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

export const CLIENT = "node";
export const URL = process.env.FOREBAY_URL;
export const KEY = process.env.FOREBAY_KEY;
const ONLY = (process.env.FOREBAY_FEATURES ?? "").split(",").filter(Boolean);

export const ASK = "How high does the water rise?";
export const WORDS = "Water höher than 水 rises 🌊.";
export const THOUGHTS = "First weigh 水.";
export const CITY = "Köln 水";
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PDF = "JVBERi0xLjQKMSAwIG9iajw8Pj5lbmRvYmoKdHJhaWxlcjw8Pj4KJSVFT0YK";
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

// A provider, as the features see it.
class Case {
  constructor(api, provider) {
    Object.assign(this, { api, provider });
  }

  model(script = "text") {
    return `${this.provider}/${script}`;
  }

  // A text that the test finds again among the calls of the fake.
  marked(what) {
    return `${what} ${CLIENT} ${this.api}`;
  }
}

const show = (value) => JSON.stringify(value);

export function equal(found, wanted, what = "answer") {
  if (!isDeepStrictEqual(found, wanted)) throw new Error(`${what}: ${show(found)} instead of ${show(wanted)}`);
}

export function check(truth, what) {
  if (!truth) throw new Error(what);
}

// A fetch that counts.
export function counting() {
  const asked = { count: 0 };
  asked.fetch = (url, init) => {
    asked.count += 1;
    return fetch(url, init);
  };
  return asked;
}

// Asks and expects exactly that class of error; gives the error.
export async function raises(kind, ask, status, code) {
  let error;
  await assert.rejects(ask, (raised) => {
    error = raised;
    return true;
  }, `nothing was raised instead of ${kind.name}`);
  equal(error.constructor.name, kind.name, `class of the error "${error.message}"`);
  if (status) equal(error.status, status, "status");
  if (code) equal(error.code, code, "code");
  return error;
}

// Runs the features against every provider, the providers side by side.
export async function run(api, features) {
  const wanted = Object.entries(features).filter(([name]) => !ONLY.length || ONLY.includes(name));
  const one = async (provider) => {
    const target = new Case(api, provider);
    for (const [feature, run] of wanted) {
      let detail = "";
      try {
        await run(target);
      } catch (error) {
        const line = /\/compat\/node\/\w+\.mjs:(\d+)/.exec(error.stack ?? "")?.[1] ?? 0;
        detail = `${error.constructor.name}: ${error.message} (line ${line})`;
      }
      console.log(JSON.stringify({ client: CLIENT, api, provider, feature, ok: !detail, detail }));
    }
  };
  await Promise.all(process.env.FOREBAY_PROVIDERS.split(",").map(one));
}
