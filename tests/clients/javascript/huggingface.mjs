// @huggingface/inference: an endpoint of one's own, to whose address it posts.

import assert from "node:assert/strict";
import { InferenceClient, InferenceClientProviderApiError } from "@huggingface/inference";
import { check, cosine, main, refused, same } from "./checking.mjs";

const client = (server, token = server.key) => new InferenceClient(token).endpoint(server.url);

check("vectors", "featureExtraction, a list and one text", async (server) => {
  const { texts, query } = server.expected;
  same(await client(server).featureExtraction({ inputs: texts }), server.vectors(texts));
  const [vector] = await client(server).featureExtraction({ inputs: query });
  same([vector], server.vectors([query]));
});

check("vectors", "sentenceSimilarity", async (server) => {
  const { query, documents } = server.expected;
  const got = await client(server).sentenceSimilarity({
    inputs: { source_sentence: query, sentences: documents },
  });
  const [wanted] = server.vectors([query]);
  server.vectors(documents).forEach((vector, at) => {
    assert.ok(Math.abs(got[at] - cosine(wanted, vector)) < 1e-3, `similarity ${at}`);
  });
});

check("errors", "text too long: InferenceClientProviderApiError", (server) =>
  refused(
    client(server).featureExtraction({ inputs: server.expected.too_long }),
    InferenceClientProviderApiError,
    "256",
  ),
);

check(
  "errors",
  "wrong key: InferenceClientProviderApiError",
  (server) =>
    refused(
      client(server, "wrong").featureExtraction({ inputs: "text" }),
      InferenceClientProviderApiError,
      "key",
    ),
  ["keyed"],
);

await main("@huggingface/inference");
