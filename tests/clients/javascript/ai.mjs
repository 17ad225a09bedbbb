// The AI SDK of Vercel: embed and embedMany over its provider for whatever speaks as OpenAI.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany } from "ai";
import { NOWHERE, PROMPTED, VANILLA, check, main, refused, same } from "./checking.mjs";

const model = (server, name = VANILLA, apiKey = server.key) =>
  createOpenAICompatible({ name: "bindery", baseURL: `${server.url}/v1`, apiKey }).embeddingModel(
    name,
  );

check("vectors", "embed and embedMany", async (server) => {
  const { texts, query } = server.expected;
  const { embedding } = await embed({ model: model(server), value: query });
  same([embedding], server.vectors([query]));
  const { embeddings } = await embedMany({ model: model(server), values: texts });
  same(embeddings, server.vectors(texts));
});

check("many", "many texts", async (server) => {
  const { many } = server.expected;
  const { embeddings } = await embedMany({ model: model(server), values: many });
  same(embeddings, server.vectors(many));
});

check("shorter", "dimensions", async (server) => {
  const { texts } = server.expected;
  const { embeddings } = await embedMany({
    model: model(server, PROMPTED),
    values: texts,
    providerOptions: { bindery: { dimensions: 128 } },
  });
  same(embeddings, server.vectors(texts, { model: PROMPTED, dimensions: 128 }));
});

check("tokens", "tokens are counted", async (server) => {
  const { query } = server.expected;
  const { usage } = await embed({ model: model(server), value: query });
  assert.equal(usage.tokens, server.tokens([query]));
});

check("errors", "unknown model: APICallError 404", (server) =>
  refused(
    embed({ model: model(server, NOWHERE), value: "text", maxRetries: 0 }),
    APICallError,
    server.expected.unknown_model,
    { statusCode: 404 },
    (error) => error.message,
  ),
);

check("errors", "text too long: APICallError 400", (server) =>
  refused(
    embed({ model: model(server), value: server.expected.too_long, maxRetries: 0 }),
    APICallError,
    "256",
    { statusCode: 400 },
  ),
);

check(
  "errors",
  "wrong key: APICallError 401",
  (server) =>
    refused(
      embed({ model: model(server, VANILLA, "wrong"), value: "text", maxRetries: 0 }),
      APICallError,
      "key",
      { statusCode: 401 },
    ),
  ["keyed"],
);

await main("ai");
