// Takes the place of codemirror-json-schema's own, which carries a Markdown parser and a highlighter, and writes HTML of
// what it is given. Descriptions of the schema need no more than `code`; all else is text.
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function renderMarkdown(text) {
  return String(text ?? "")
    .replace(/[&<>"']/g, (c) => escapes[c])
    .replace(/`([^`]+)`/g, "<code>$1</code>");
}
