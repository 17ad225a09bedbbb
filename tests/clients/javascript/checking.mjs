// What the scripts share: checks, and what they compare with. See ../python/checking.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

export const VANILLA = "vanilla";
export const PROMPTED = "embed-english-v3.0";
export const NOWHERE = "no-such-model";

const LEAST_COSINE = 0.9999;
const CHECKS = [];

/** Make a function a check; `on` are the kinds of server that it is for. */
export function check(topic, what, run, on = ["keyed", "open"]) {
  CHECKS.push({ topic, what, run, on });
}

/** Assert that vectors are those wanted, in that order. */
export function same(got, wanted) {
  assert.equal(got.length, wanted.length, "number of vectors");
  got.forEach((vector, place) => {
    assert.equal(vector.length, wanted[place].length, `dimensions of vector ${place}`);
    const closeness = cosine(vector, wanted[place]);
    assert.ok(closeness >= LEAST_COSINE, `vector ${place}: cosine ${closeness}`);
  });
}

/** Assert that documents come in the order, and with the scores, that our own route gives. */
export function ranked(results, ranking) {
  assert.deepEqual(results.map((one) => one.index), ranking.map(([place]) => place));
  results.forEach((one, at) => {
    assert.ok(Math.abs(one.relevanceScore - ranking[at][1]) < 1e-3, `score ${at}`);
  });
}

export function cosine(one, other) {
  let product = 0;
  for (let at = 0; at < one.length; at++) product += one[at] * other[at];
  return product / (Math.hypot(...one) * Math.hypot(...other));
}

/**
 * Assert that the client rejects with its own `kind` of error, with the server's words and facts;
 * `said` finds the message, where the client is to have found it in the body.
 */
export async function refused(promise, kind, part, facts = {}, said = undefined) {
  const error = await promise.then(
    () => assert.fail(`${kind.name} was not thrown`),
    (thrown) => thrown,
  );
  if (!(error instanceof kind)) throw error;
  const all = `${error.message} ${JSON.stringify(error.body ?? error.responseBody ?? "")}`;
  assert.ok(all.toLowerCase().includes(part.toLowerCase()), `${all} does not say ${part}`);
  if (said) assert.ok(said(error).startsWith(part), `${said(error)} does not begin with ${part}`);
  for (const [name, wanted] of Object.entries(facts)) assert.equal(error[name], wanted, name);
}

/** Run every check that is for the server at hand, and write a line of JSON for each. */
export async function main(distribution) {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      key: { type: "string", default: "unused" },
      kind: { type: "string" },
      expected: { type: "string" },
    },
  });
  const expected = JSON.parse(readFileSync(values.expected));
  const server = {
    ...values,
    expected,
    vectors: (texts, { model = VANILLA, role = "document", dimensions } = {}) =>
      texts.map((text) => cut(expected.vectors[model][role][text], dimensions)),
    tokens: (texts) => texts.reduce((sum, text) => sum + expected.token_ids[text].length, 0),
  };
  write({ version: versionOf(distribution) });
  for (const { topic, what, run, on } of CHECKS) {
    if (!on.includes(server.kind)) continue;
    let detail = "";
    try {
      await run(server);
    } catch (error) {
      detail = `${error.name}: ${error.message}`.slice(0, 1000);
    }
    write({ topic, check: what, ok: detail === "", detail });
  }
}

function cut(vector, dimensions) {
  const head = vector.slice(0, dimensions);
  const length = Math.hypot(...head);
  return head.map((value) => value / length);
}

function versionOf(distribution) {
  const path = new URL(`node_modules/${distribution}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(path)).version;
}

function write(record) {
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
