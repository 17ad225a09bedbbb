// openai for JavaScript: base64 by default, as the one for Python.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { NOWHERE, PROMPTED, VANILLA, check, main, refused, same } from "./checking.mjs";

const client = (server, apiKey = server.key) =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });

const embed = async (server, input, options = {}) => {
  const answer = await client(server).embeddings.create({ model: VANILLA, input, ...options });
  assert.deepEqual(answer.data.map((one) => one.index), answer.data.map((_, at) => at));
  return answer.data.map((one) => one.embedding);
};

check("vectors", "base64, its default, and float", async (server) => {
  const { texts } = server.expected;
  same(await embed(server, texts), server.vectors(texts));
  same(await embed(server, texts, { encoding_format: "float" }), server.vectors(texts));
});

check("vectors", "a single text; an empty one", async (server) => {
  for (const text of [server.expected.query, ""]) {
    same(await embed(server, text), server.vectors([text]));
  }
});

check("many", "many texts at once", async (server) => {
  const { many } = server.expected;
  same(await embed(server, many), server.vectors(many));
});

check("roles", "input_type query", async (server) => {
  const { texts } = server.expected;
  const got = await embed(server, texts, { model: PROMPTED, input_type: "query" });
  same(got, server.vectors(texts, { model: PROMPTED, role: "query" }));
});

check("shorter", "dimensions", async (server) => {
  const { texts } = server.expected;
  const got = await embed(server, texts, { model: PROMPTED, dimensions: 128 });
  same(got, server.vectors(texts, { model: PROMPTED, dimensions: 128 }));
});

check("tokens", "tokens are counted", async (server) => {
  const { texts } = server.expected;
  const { usage } = await client(server).embeddings.create({ model: VANILLA, input: texts });
  assert.equal(usage.prompt_tokens, server.tokens(texts));
});

check("models", "list and retrieve", async (server) => {
  const names = (await client(server).models.list()).data.map((model) => model.id);
  assert.ok(names.includes(VANILLA) && names.includes(PROMPTED));
  assert.equal((await client(server).models.retrieve(PROMPTED)).id, PROMPTED);
});

check("errors", "unknown model: NotFoundError, model_not_found", (server) =>
  refused(
    embed(server, "text", { model: NOWHERE }),
    OpenAI.NotFoundError,
    server.expected.unknown_model,
    { code: "model_not_found" },
    (error) => error.error.message,
  ),
);

check("errors", "text too long: BadRequestError, context_length_exceeded", (server) =>
  refused(embed(server, server.expected.too_long), OpenAI.BadRequestError, "256", {
    code: "context_length_exceeded",
  }),
);

check(
  "errors",
  "wrong key: AuthenticationError",
  (server) => {
    const asked = client(server, "wrong").embeddings.create({ model: VANILLA, input: "text" });
    return refused(asked, OpenAI.AuthenticationError, "key", { code: "invalid_api_key" });
  },
  ["keyed"],
);

check("files", "upload, list, retrieve, content, delete", async (server) => {
  const { files } = client(server);
  const content = "# Köln\n\nLoose paper gets lost. 北京";
  const made = await files.create({ file: await toFile(Buffer.from(content), "Bücher.md"), purpose: "user_data" });
  assert.deepEqual([made.object, made.filename, made.purpose], ["file", "Bücher.md", "user_data"]);
  assert.deepEqual(await files.retrieve(made.id), made);
  assert.equal(await (await files.content(made.id)).text(), content);
  const second = await files.create({ file: await toFile(Buffer.from(content), "b.md"), purpose: "assistants" });
  const listed = [];
  for await (const file of files.list({ limit: 1 })) listed.push(file.id);
  assert.deepEqual(listed.slice(0, 2), [second.id, made.id]);
  for (const { id } of [made, second]) {
    assert.equal((await files.delete(id)).deleted, true);
    await refused(files.retrieve(id), OpenAI.NotFoundError, id, { code: "unknown_file" });
  }
});

check("files", "an unknown purpose: BadRequestError", async (server) => {
  const file = await toFile(Buffer.from("text"), "a.md");
  const asked = client(server).files.create({ file, purpose: "fun" });
  await refused(asked, OpenAI.BadRequestError, "fun", { param: "purpose" });
});

check("stores", "a batch, uploaded and polled; filter, search, page and delete", async (server) => {
  const { vectorStores, files } = client(server);
  const store = await vectorStores.create({ name: "clients in JavaScript" });
  const { documents, query } = server.expected;
  const uploads = await Promise.all(
    documents.map((text, at) => toFile(Buffer.from(text), `${at}.txt`)),
  );
  const batch = await vectorStores.fileBatches.uploadAndPoll(store.id, { files: uploads });
  assert.equal(batch.status, "completed");
  assert.equal(batch.file_counts.completed, documents.length);
  const found = await vectorStores.search(store.id, { query, max_num_results: 2 });
  assert.equal(found.data.length, 2);
  const first = found.data[0];
  await vectorStores.files.update(first.file_id, { vector_store_id: store.id, attributes: { n: 7 } });
  const filters = { type: "gte", key: "n", value: 7 };
  const filtered = await vectorStores.search(store.id, { query, filters });
  assert.deepEqual(filtered.data.map((one) => one.file_id), [first.file_id]);
  let listed = 0;
  for await (const file of vectorStores.files.list(store.id, { limit: 2 })) {
    listed += 1;
    await vectorStores.files.delete(file.id, { vector_store_id: store.id });
    await files.delete(file.id);
  }
  assert.equal(listed, documents.length);
  assert.equal((await vectorStores.delete(store.id)).deleted, true);
  await refused(vectorStores.search(store.id, { query }), OpenAI.NotFoundError, store.id);
});

check("request id", "on answers and on errors", async (server) => {
  const answer = await client(server).embeddings.create({ model: VANILLA, input: "text" });
  assert.match(answer._request_id, /^req_/);
  const error = await embed(server, "text", { model: NOWHERE }).catch((thrown) => thrown);
  assert.match(error.requestID, /^req_/);
});

await main("openai");
