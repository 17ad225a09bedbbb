// Calls to the public API. A key is kept in the session of this tab only.

const KEY = "bindery-key";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export class ApiError extends Error {
  constructor(status, { code = "", message, remedy = "" }) {
    super(message);
    this.status = status;
    this.code = code;
    this.remedy = remedy;
    this.title = TITLES[code] ?? (status === 403 ? "Not allowed." : undefined);
  }
}

const TITLES = {
  offline: "The server does not answer.",
  missing_scope: "This key does not allow that.",
  unknown_collection: "There is no such collection.",
  unknown_file: "There is no such file.",
  overloaded: "The server is busy.",
  model_missing: "The model is not on this machine yet.",
};

const OFFLINE = {
  code: "offline",
  message: "Nothing answers at this address.",
  remedy: "Start it again with: bindery serve",
};

export async function send(method, path, { json, body, signal, headers = {} } = {}) {
  const all = { ...headers };
  if (key.get()) all.authorization = `Bearer ${key.get()}`;
  if (json !== undefined) all["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: all,
      signal,
      body: json === undefined ? body : JSON.stringify(json),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, OFFLINE);
  }
  if (response.ok) return response;
  const error = await refusal(response);
  if (error.status === 401) dispatchEvent(new Event("bindery-needs-key"));
  throw error;
}

async function refusal(response) {
  try {
    const told = (await response.json()).error;
    return new ApiError(response.status, typeof told === "string" ? { message: told } : told);
  } catch {
    return new ApiError(response.status, { message: `The server answered with ${response.status}.` });
  }
}

export const get = async (path, options) => (await send("GET", path, options)).json();
export const post = async (path, json, options) => (await send("POST", path, { json, ...options })).json();
export const remove = async (path) => (await send("DELETE", path)).json();

export const part = encodeURIComponent;

export async function upload(file, name, signal) {
  const form = new FormData();
  form.append("file", file, name);
  return (await send("POST", "/files/upload", { body: form, signal })).json();
}

// Server-Sent Events by fetch, because EventSource cannot send a key.
export async function* follow(path, signal) {
  const response = await send("GET", path, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { kind: "message", data: null };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.kind = line.slice(7);
        if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
      }
      if (event.data !== null) yield event;
    }
  }
}
