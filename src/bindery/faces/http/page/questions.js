// Questions with what answers them, from lines of text or from a file.

const ARROW = "=>";

// Lines like "Who signs? => signed by the board" or "Who signs? => file: rules.md".
export function questionsIn(text) {
  return text.split("\n").map((line) => {
    const at = line.indexOf(ARROW);
    const [question, answer] = at < 0 ? ["", ""] : [line.slice(0, at).trim(), line.slice(at + ARROW.length).trim()];
    const file = /^file:\s*(.+)$/.exec(answer)?.[1];
    return file ? { question, file } : { question, quote: answer };
  }).filter((one) => one.question && (one.quote || one.file));
}

export const written = ({ question, quote, file }) => `${question} ${ARROW} ${file && !quote ? `file: ${file}` : quote.replace(/\s+/g, " ")}`;

// The rows of a file of JSON lines, CSV or TSV, as `bindery evaluate` reads them.
export function questionsOf(name, text) {
  if (name.endsWith(".jsonl")) return text.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  const [head, ...rows] = cells(text, name.endsWith(".tsv") ? "\t" : ",");
  return rows.map((row) => {
    const found = Object.fromEntries(head.map((key, at) => [key.trim(), row[at] ?? ""]).filter(([, value]) => value !== ""));
    for (const key of ["page", "grade"]) if (key in found) found[key] = Number(found[key]);
    return found;
  }).filter((one) => one.question);
}

// Cells may be in quotation marks, which are doubled within them.
function cells(text, separator) {
  const rows = [[""]];
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const [sign, row] = [text[at], rows.at(-1)];
    if (sign === '"' && isQuoted && text[at + 1] === '"') row[row.length - 1] += text[(at += 1)];
    else if (sign === '"') isQuoted = !isQuoted;
    else if (sign === separator && !isQuoted) row.push("");
    else if (sign === "\n" && !isQuoted) rows.push([""]);
    else if (sign !== "\r" || isQuoted) row[row.length - 1] += sign;
  }
  return rows.filter((row) => row.some((one) => one));
}
