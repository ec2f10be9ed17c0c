// The editors. Each is in a shadow root, where CodeMirror puts its styles without a <style> element, so that the page's
// Content-Security-Policy needs no exception for them.
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers, highlightActiveLine, drawSelection, hoverTooltip } from "@codemirror/view";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { autocompletion, completionKeymap, closeBrackets } from "@codemirror/autocomplete";
import { HighlightStyle, syntaxHighlighting, indentOnInput, bracketMatching } from "@codemirror/language";
import { setDiagnostics, lintGutter, lintKeymap } from "@codemirror/lint";
import { yaml, yamlLanguage } from "@codemirror/lang-yaml";
import { Change, MergeView, presentableDiff } from "@codemirror/merge";
import { stateExtensions, updateSchema } from "codemirror-json-schema";
import { yamlCompletion, yamlSchemaHover, yamlSchemaLinter } from "codemirror-json-schema/yaml";
import { tags as t } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: [t.definition(t.propertyName), t.propertyName], color: "var(--key)" },
  { tag: [t.string, t.content], color: "var(--text)" },
  { tag: [t.number, t.bool, t.null, t.typeName], color: "var(--literal)" },
  { tag: t.comment, color: "var(--comment)" },
  { tag: [t.punctuation, t.separator, t.squareBracket, t.brace], color: "var(--soft)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--panel)", fontSize: "13px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--soft)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent) 8%, transparent)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in srgb, var(--accent) 25%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--ground)", color: "var(--text)", border: "1px solid var(--line)", maxWidth: "min(34rem, 90vw)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--ground)" },
  ".cm-tooltip-hover, .cm-completionInfo": { padding: ".3rem .5rem" },
  ".cm-diagnostic": { fontFamily: "system-ui, sans-serif", whiteSpace: "pre-wrap" },
  ".cm-changedLine": { backgroundColor: "color-mix(in srgb, var(--mark) 35%, transparent) !important" },
  ".cm-changedText": { background: "color-mix(in srgb, var(--mark) 80%, transparent) !important" },
});

// A user's Tab leaves an editor: it is not bound.
const common = (label) => [
  lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(), highlightActiveLine(),
  EditorState.tabSize.of(2), look, syntaxHighlighting(colours), EditorView.lineWrapping,
  keymap.of([...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
  EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0", spellcheck: "false", autocorrect: "off", autocapitalize: "off" }),
];

const changed = (then) => EditorView.updateListener.of((update) => update.docChanged && then(update.state.doc.toString()));

// The chart merges what a user writes with its own values: no key is required of it. Plain rules have at their top what
// values have in a workload.
const values = (schema) => ({ ...schema, required: [] });
const plain = (schema) => ({ ...schema.properties.workloads.additionalProperties, $schema: schema.$schema, type: "object" });

export class Rules {
  constructor(host, schema, then) {
    this.schemas = { values: values(schema), rules: plain(schema) };
    this.kind = "values";
    const root = host.attachShadow({ mode: "open" });
    this.view = new EditorView({
      root, parent: root,
      state: EditorState.create({
        extensions: [
          ...common("Values"), yaml(), lintGutter(), autocompletion(),
          yamlLanguage.data.of({ autocomplete: yamlCompletion() }),
          hoverTooltip(yamlSchemaHover()),
          stateExtensions(this.schemas.values),
          changed(then),
        ],
      }),
    });
  }

  get text() { return this.view.state.doc.toString(); }

  set text(text) {
    if (text === this.text) return;
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
  }

  // The schema fits what the text is.
  of(kind) {
    if (kind === this.kind || !this.schemas[kind]) return;
    this.kind = kind;
    updateSchema(this.view, this.schemas[kind]);
  }

  // show marks findings at their lines, and gives them with what the schema alone can tell.
  show(findings) {
    const doc = this.view.state.doc;
    const marks = [];
    const lines = new Set();
    for (const f of findings) {
      if (!f.line || f.line > doc.lines) continue;
      const line = doc.line(f.line);
      lines.add(f.line);
      const from = Math.min(line.from + Math.max((f.column || 1) - 1, 0), line.to);
      marks.push({ from, to: Math.max(line.to, from), severity: f.severity, source: f.check, message: f.reason + (f.advice ? "\n" + f.advice : "") });
    }
    const all = [...findings];
    const found = this.schemas[this.kind] ? bySchema(this.view) : [];
    for (const d of found ?? []) {
      const line = doc.lineAt(Math.min(d.from, doc.length));
      if (lines.has(line.number)) continue;
      lines.add(line.number);
      marks.push({ from: d.from, to: Math.min(d.to, doc.length), severity: "error", source: "schema", message: d.message });
      all.push({ line: line.number, column: d.from - line.from + 1, severity: "error", check: "schema", path: "", reason: d.message });
    }
    if (!found) {
      all.push({ severity: "info", check: "schema", path: "", reason: "too much text for the chart's schema in this page: helm template checks it" });
    }
    marks.sort((a, b) => a.from - b.from);
    this.view.dispatch(setDiagnostics(this.view.state, marks));
    return all;
  }

  go(line, column) {
    const at = this.view.state.doc.line(Math.min(line, this.view.state.doc.lines));
    const anchor = Math.min(at.from + Math.max((column || 1) - 1, 0), at.to);
    this.view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    this.view.focus();
  }
}

// What the schema says of a text; nothing where the text is too large or too deep. The time that it takes, in which the page
// hears nobody, grows with the square of the entries: 400 take a third of a second.
function bySchema(view) {
  const text = view.state.doc.toString();
  if (text.length >= 64 << 10 || (text.match(/[,\n]/g) ?? []).length > 400) return undefined;

  try {
    return yamlSchemaLinter()(view);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // too deep for the stack
    throw error;
  }
}

// What differs in two texts, which a link may have filled with anything. Within a line of a hundred thousand characters the
// library looks for the ends of words for seconds: such texts differ as a whole.
function difference(a, b) {
  const long = (text) => text.split("\n").some((line) => line.length > 10_000);
  if (a !== b && (long(a) || long(b))) return [new Change(0, a.length, 0, b.length)];

  return presentableDiff(a, b, { scanLimit: 500, timeout: 200 });
}

// Two versions side by side: the old one, and the values of the page.
export class Versions {
  constructor(host, then) {
    const root = host.attachShadow({ mode: "open" });
    const side = (label, heard) => ({ doc: "", extensions: [...common(label), yaml(), changed(heard)] });
    this.merge = new MergeView({
      root, parent: root, gutter: true, highlightChanges: true,
      diffConfig: { override: difference },
      a: side("Old rules", () => then()),
      b: side("New rules", () => then()),
    });
  }

  get old() { return this.merge.a.state.doc.toString(); }
  get new() { return this.merge.b.state.doc.toString(); }
  set old(text) { replace(this.merge.a, text); }
  set new(text) { replace(this.merge.b, text); }
}

function replace(view, text) {
  if (text !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}
