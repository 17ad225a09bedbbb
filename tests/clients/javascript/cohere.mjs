// cohere-ai: version 2 of Cohere's interface.

import assert from "node:assert/strict";
import { CohereClientV2, CohereError } from "cohere-ai";
import { NOWHERE, PROMPTED, VANILLA, check, main, ranked, refused, same } from "./checking.mjs";

const client = (server, token = server.key) =>
  new CohereClientV2({ environment: server.url, token });

const embed = (server, texts, options = {}) =>
  client(server).embed(
    {
      model: VANILLA,
      texts,
      inputType: "search_document",
      embeddingTypes: ["float"],
      ...options,
    },
    { maxRetries: 0 },
  );

check("vectors", "floats", async (server) => {
  const { texts } = server.expected;
  same((await embed(server, texts)).embeddings.float, server.vectors(texts));
});

check("many", "96 texts at once", async (server) => {
  const many = server.expected.many.slice(0, 96);
  same((await embed(server, many)).embeddings.float, server.vectors(many));
});

check("roles", "search_query and search_document", async (server) => {
  const { texts } = server.expected;
  for (const role of ["query", "document"]) {
    const got = await embed(server, texts, { model: PROMPTED, inputType: `search_${role}` });
    same(got.embeddings.float, server.vectors(texts, { model: PROMPTED, role }));
  }
});

check("shorter", "outputDimension", async (server) => {
  const { texts } = server.expected;
  const got = await embed(server, texts, { model: PROMPTED, outputDimension: 128 });
  same(got.embeddings.float, server.vectors(texts, { model: PROMPTED, dimensions: 128 }));
});

check("tokens", "billed tokens", async (server) => {
  const { texts } = server.expected;
  const { meta } = await embed(server, texts);
  assert.equal(meta.billedUnits.inputTokens, server.tokens(texts));
});

check("rerank", "all, and the best two", async (server) => {
  const { query, documents, ranking } = server.expected;
  for (const topN of [undefined, 2]) {
    const { results } = await client(server).rerank({ model: VANILLA, query, documents, topN });
    ranked(results, ranking.slice(0, topN));
  }
});

check("errors", "unknown model: CohereError 404", (server) =>
  refused(
    embed(server, ["text"], { model: NOWHERE }),
    CohereError,
    server.expected.unknown_model,
    { statusCode: 404 },
    (error) => error.body.message,
  ),
);

check("errors", "truncate NONE and too long: CohereError 400", (server) =>
  refused(
    embed(server, [server.expected.too_long], { truncate: "NONE" }),
    CohereError,
    "256",
    { statusCode: 400 },
  ),
);

check(
  "errors",
  "wrong key: CohereError 401",
  (server) => {
    const asked = client(server, "wrong").embed(
      { model: VANILLA, texts: ["text"], inputType: "search_document", embeddingTypes: ["float"] },
      { maxRetries: 0 },
    );
    return refused(asked, CohereError, "key", { statusCode: 401 });
  },
  ["keyed"],
);

await main("cohere-ai");
