// ollama: its client for JavaScript.

import assert from "node:assert/strict";
import { Ollama } from "ollama";
import { NOWHERE, PROMPTED, VANILLA, check, main, refused, same } from "./checking.mjs";

const client = (server, key = server.key) =>
  new Ollama({ host: server.url, headers: { authorization: `Bearer ${key}` } });

check("vectors", "embed, a list and one text", async (server) => {
  const { texts, query } = server.expected;
  const found = await client(server).embed({ model: VANILLA, input: texts });
  same(found.embeddings, server.vectors(texts));
  const { embeddings } = await client(server).embed({ model: VANILLA, input: query });
  same(embeddings, server.vectors([query]));
});

check("vectors", "embeddings, the older route", async (server) => {
  const { query } = server.expected;
  const { embedding } = await client(server).embeddings({ model: VANILLA, prompt: query });
  same([embedding], server.vectors([query]));
});

check("shorter", "dimensions", async (server) => {
  const { texts } = server.expected;
  const asked = { model: PROMPTED, input: texts, dimensions: 128 };
  const { embeddings } = await client(server).embed(asked);
  same(embeddings, server.vectors(texts, { model: PROMPTED, dimensions: 128 }));
});

check("models", "list", async (server) => {
  const names = (await client(server).list()).models.map((model) => model.name);
  assert.ok(names.some((name) => name.startsWith(VANILLA)));
});

check("errors", "unknown model: an Error that says so", (server) =>
  refused(
    client(server).embed({ model: NOWHERE, input: "text" }),
    Error,
    server.expected.unknown_model,
    { status_code: 404 },
    (error) => error.error,
  ),
);

check("errors", "truncate false and too long: an Error that says so", (server) =>
  refused(
    client(server).embed({ model: VANILLA, input: server.expected.too_long, truncate: false }),
    Error,
    "256",
    { status_code: 400 },
  ),
);

check(
  "errors",
  "wrong key: an Error that says so",
  (server) =>
    refused(client(server, "wrong").embed({ model: VANILLA, input: "text" }), Error, "key", {
      status_code: 401,
    }),
  ["keyed"],
);

await main("ollama");
