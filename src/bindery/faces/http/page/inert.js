// A web page of a document, without all that could run, load or lead away. The frame that shows it
// is sandboxed, too, and inherits the policy of this page: each of the three is enough by itself.

const DROPPED = "script, style, link, meta, base, iframe, frame, frameset, object, embed, applet, noscript, template, svg, math, form, input, button, select, textarea, video, audio, source, track, portal, dialog, canvas, title";
const KEPT = new Set(["colspan", "rowspan", "dir", "lang", "alt", "start", "reversed", "scope"]);
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[a-z0-9+/=\s]+$/i;
// Styles are dropped anyway; without these, the browser would report each that it refuses.
const STYLES = /<style\b[^]*?<\/style\s*>|\sstyle\s*=/gi;
const POLICY = "default-src 'none'; img-src data:";

export function inert(buffer) {
  const found = new DOMParser().parseFromString(decoded(buffer).replace(STYLES, " data-dropped="), "text/html");
  found.querySelectorAll(DROPPED).forEach((one) => one.remove());
  for (const element of found.querySelectorAll("*")) clean(element);
  const page = document.implementation.createHTMLDocument("");
  const policy = page.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = POLICY;
  const scheme = page.createElement("meta");
  scheme.name = "color-scheme";
  scheme.content = "light dark";
  page.head.append(policy, scheme);
  page.documentElement.lang = found.documentElement.lang;
  page.documentElement.dir = found.documentElement.dir;
  // The frame may have no style of ours either, but attributes from before CSS still work.
  const font = page.createElement("font");
  font.setAttribute("face", "system-ui, sans-serif");
  font.append(...(found.body?.childNodes ?? []));
  font.querySelectorAll("table").forEach((one) => one.setAttribute("border", "1"));
  page.body.append(font);
  return `<!doctype html>${new XMLSerializer().serializeToString(page.documentElement)}`;
}

function clean(element) {
  if (!(element instanceof HTMLElement)) return element.remove();
  for (const { name, value } of [...element.attributes]) {
    const isPicture = element.localName === "img" && name === "src" && PICTURE.test(value);
    if (!KEPT.has(name) && !isPicture) element.removeAttribute(name);
  }
  if (element.localName === "img" && !element.hasAttribute("src")) element.replaceWith(element.alt);
}

function decoded(buffer) {
  const head = new TextDecoder("latin1").decode(buffer.slice(0, 2048));
  const named = /charset\s*=\s*["']?([\w-]+)/i.exec(head)?.[1];
  for (const label of [named, "utf-8"].filter(Boolean)) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(buffer);
    } catch {
      continue;
    }
  }
  return new TextDecoder("windows-1252").decode(buffer);
}
