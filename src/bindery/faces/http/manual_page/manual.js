// Draws /openapi.json: each route with its examples, as a form to try and a command to copy.
// Everything is put in as text, never as HTML.

const LONGEST_SHOWN = 20000;

// The page at / uses the same name.
const KEY = "bindery-key";
const main = document.getElementById("manual");
const contents = document.getElementById("contents");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function authorized(headers = {}) {
  const key = sessionStorage.getItem(KEY);
  return key ? { authorization: `Bearer ${key}`, ...headers } : headers;
}

// Shown if the server has keys. The key is kept in the session of this tab only.
function keyField(message) {
  const input = make("input", { type: "password", autocomplete: "off", "aria-label": "API key" });
  const use = (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value.trim());
    location.reload();
  };
  return make("form", { onsubmit: use },
    make("label", {}, make("span", {}, "API key"), input, make("span", { class: "note" }, message)),
    make("button", { class: "send", type: "submit" }, "Use this key"));
}

async function description() {
  const answer = await fetch("/openapi.json", { headers: authorized() });
  if (answer.ok) return answer.json();
  const told = (await answer.json()).error;
  main.replaceChildren(make("h1", {}, "Bindery"), keyField(`${told.message} ${told.remedy}`));
  throw new Error(told.message);
}

const api = await description();

// Paragraphs, and `code` in them: all the markup that descriptions use.
function paragraphs(text) {
  return (text ?? "").split(/\n{2,}/).filter(Boolean).map((paragraph) =>
    make("p", {}, ...paragraph.split("`").map((part, place) =>
      place % 2 ? make("code", {}, part) : part)));
}

function resolve(schema) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.split("/").slice(1).reduce((node, key) => node[key], api);
}

function typeName(schema) {
  const found = resolve(schema);
  if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.anyOf) return found.anyOf.map(typeName).join(" or ");
  if (found.type === "array") return `list of ${found.items ? typeName(found.items) : "anything"}`;
  return found.title && found.type === "object" ? found.title : found.type ?? "anything";
}

function bodyFields(schema) {
  const { properties = {}, required = [] } = resolve(schema);
  return tableOf(["Field", "Type", "Meaning"], Object.entries(properties).map(([name, field]) => [
    make("span", {}, make("code", {}, name), required.includes(name) ? " (required)" : ""),
    typeName(field),
    [field.description, field.default == null ? "" : `Default: ${JSON.stringify(field.default)}.`].join(" "),
  ]));
}

function answerFields(schema) {
  const { description, properties = {} } = resolve(schema);
  const rows = Object.entries(properties).map(([name, field]) => [make("code", {}, name), typeName(field)]);
  return [...paragraphs(description?.replaceAll("``", "`")), tableOf(["Field", "Type"], rows)];
}

function tableOf(heads, rows) {
  return make("table", {}, make("tr", {}, ...heads.map((head) => make("th", {}, head))),
    ...rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)))));
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// What the user has filled in so far, as a request.
class Form {
  constructor(method, path, operation) {
    Object.assign(this, { method, path, operation });
    this.inputs = new Map();
    this.changed = () => {};
  }

  parameter(parameter) {
    const { name, schema = {}, required } = parameter;
    const example = schema.examples?.[0];
    const input = make("input", {
      value: example ?? "", placeholder: schema.default ?? (required ? "" : "not sent"),
      oninput: () => this.changed(),
    });
    this.inputs.set(parameter, input);
    const note = parameter.description ? [make("span", { class: "note" }, parameter.description)] : [];
    return make("label", {}, make("span", {}, make("code", {}, name)), input, ...note);
  }

  json(media) {
    const examples = Object.values(media.examples ?? {});
    const show = (example) => { this.body.value = JSON.stringify(example.value, null, 2); this.changed(); };
    this.body = make("textarea", { oninput: () => this.changed(), spellcheck: "false", "aria-label": "Body" });
    const choice = make("select", { onchange: () => show(examples[choice.selectedIndex]), "aria-label": "Example" },
      ...examples.map((example) => make("option", {}, example.summary)));
    if (examples.length) show(examples[0]);
    return [make("label", {}, make("span", {}, "Example"), choice),
      make("label", { class: "wide" }, this.body), this.fields(media.schema)];
  }

  multipart(media) {
    const example = Object.values(media.examples)[0];
    const { file, ...beside } = example.value;
    this.sample = new File([file], example["x-filename"]);
    this.beside = Object.entries(beside);
    this.file = make("input", { type: "file", onchange: () => this.changed() });
    return [make("label", {}, make("span", {}, make("code", {}, "file")), this.file,
      make("span", { class: "note" }, `Without a choice, a small sample is sent: ${this.sample.name}.`))];
  }

  fields(schema) {
    return make("details", {}, make("summary", {}, "Fields of the body"), bodyFields(schema));
  }

  get target() {
    let path = this.path;
    const query = new URLSearchParams();
    for (const [parameter, input] of this.inputs) {
      if (parameter.in === "path") {
        path = path.replace(new RegExp(`\\{${parameter.name}(:path)?\\}`), encodeURIComponent(input.value));
      } else if (parameter.in === "query" && input.value !== "") query.set(parameter.name, input.value);
    }
    return query.size ? `${path}?${query}` : path;
  }

  get headers() {
    const filled = [...this.inputs].filter(([parameter, input]) => parameter.in === "header" && input.value !== "");
    const headers = Object.fromEntries(filled.map(([parameter, input]) => [parameter.name, input.value]));
    return this.body ? { "content-type": "application/json", ...headers } : headers;
  }

  get upload() {
    return this.file.files[0] ?? this.sample;
  }

  get command() {
    const isImplied = this.method === "get" || this.body || this.file;
    const method = isImplied ? "" : `-X ${this.method.toUpperCase()} `;
    const parts = [`curl ${method}${quoted(location.origin + this.target)}`];
    const key = sessionStorage.getItem(KEY) ? { authorization: "Bearer $BINDERY_KEY" } : {};
    for (const [name, value] of Object.entries({ ...key, ...this.headers })) {
      parts.push(name in key ? `-H "${name}: ${value}"` : `-H ${quoted(`${name}: ${value}`)}`);
    }
    if (this.file) {
      for (const [name, value] of this.beside) parts.push(`-F ${quoted(`${name}=${value}`)}`);
      parts.push(`-F ${quoted(`file=@${this.upload.name}`)}`);
    }
    if (this.body) {
      let body = this.body.value;
      try { body = JSON.stringify(JSON.parse(body)); } catch { /* shown as it is typed */ }
      parts.push(`-d ${quoted(body)}`);
    }
    return parts.join(" \\\n  ");
  }

  async send() {
    const request = { method: this.method.toUpperCase(), redirect: "manual", headers: authorized(this.headers) };
    if (this.file) {
      request.body = new FormData();
      for (const [name, value] of this.beside) request.body.append(name, value);
      request.body.append("file", this.upload, this.upload.name);
    } else if (this.body) {
      request.body = this.body.value;
    }
    return fetch(this.target, request);
  }
}

function tidied(text) {
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON */ }
  // Rows of numbers on one line.
  shown = shown.replace(/\[\s+(-?[\d.eE+-]+(?:,\s+-?[\d.eE+-]+)*)\s+\]/g, (_, row) => `[${row.replace(/\s+/g, " ")}]`);
  return shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}\n... ${shown.length - LONGEST_SHOWN} more characters` : shown;
}

async function sendAndShow(form, place) {
  const begin = performance.now();
  try {
    const answer = await form.send();
    const text = await answer.text();
    const status = make("p", { class: answer.ok ? "status" : "status failed" },
      `${answer.status} ${answer.statusText} in ${Math.round(performance.now() - begin)} ms`);
    place.replaceChildren(status, make("pre", { tabindex: "0" }, tidied(text)));
  } catch (error) {
    place.replaceChildren(make("p", { class: "status failed" }, `No answer: ${error.message}`));
  }
}

function commandOf(form) {
  const text = make("pre", { tabindex: "0" }, form.command);
  form.changed = () => { text.textContent = form.command; };
  const copy = make("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(text.textContent);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return make("div", { class: "command" }, text, copy);
}

function answersOf(operation) {
  const [status, answer] = Object.entries(operation.responses)[0];
  const media = answer.content?.["application/json"];
  if (!media) return [];
  const example = media.example ? [make("pre", { tabindex: "0" }, tidied(JSON.stringify(media.example)))] : [];
  return [make("details", {}, make("summary", {}, `The answer (${status})`), ...answerFields(media.schema), ...example)];
}

function articleOf(method, path, operation) {
  const form = new Form(method, path, operation);
  const inputs = (operation.parameters ?? []).map((parameter) => form.parameter(parameter));
  const media = operation.requestBody?.content ?? {};
  if (media["application/json"]) inputs.push(...form.json(media["application/json"]));
  if (media["multipart/form-data"]) inputs.push(...form.multipart(media["multipart/form-data"]));
  const answer = make("div", { class: "answer", "aria-live": "polite" });
  const send = make("button", { class: "send", type: "button", onclick: () => sendAndShow(form, answer) }, "Send");
  return make("article", { id: operation.operationId },
    make("h3", {}, operation.summary),
    make("p", { class: "route" }, make("span", { class: `method ${method}` }, method.toUpperCase()), path),
    ...paragraphs(operation.description), ...inputs, commandOf(form), send, answer, ...answersOf(operation));
}

// The groups in their own order; a route of another group comes after them.
const byTag = new Map(api.tags.map(({ name }) => [name, []]));
const about = new Map(api.tags.map(({ name, description }) => [name, description]));
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags[0];
    byTag.set(tag, [...(byTag.get(tag) ?? []), [method, path, operation]]);
  }
}

main.replaceChildren(make("h1", {}, api.info.title, " ", make("small", {}, api.info.version)),
  ...paragraphs(api.info.description),
  ...(sessionStorage.getItem(KEY) ? [keyField("This key is sent with every request of this page.")] : []));
contents.append(make("strong", {}, api.info.title), " ", make("a", { href: "/openapi.json" }, "/openapi.json"));
for (const [tag, operations] of byTag) {
  main.append(make("h2", {}, tag), ...paragraphs(about.get(tag)), ...operations.map((operation) => articleOf(...operation)));
  contents.append(make("h2", {}, tag), ...operations.map(([method, path, operation]) =>
    make("a", { href: `#${operation.operationId}` },
      make("span", { class: `method ${method}` }, method.toUpperCase()), path)));
}
