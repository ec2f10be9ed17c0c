// Shows answers of the engine.
import { make, fill } from "./dom.js";

const tones = { acted: "good", shadowed: "warn", unsafe: "bad", "not matched": "", disabled: "", "sampled out": "warn" };
const badge = (text, tone = "") => make("span", { class: `badge ${tone}` }, text);

function diff(changes) {
  return make("ul", { class: "diff" }, changes.map((c) =>
    make("li", { class: c.op === "+" ? "came" : "gone" }, `${c.op} ${c.name}: ${c.value}`)));
}

// marked shows a text with its captures marked. spans are [from, to, name] in UTF-16, sorted and apart.
function marked(text, spans) {
  const parts = [];
  let last = 0;
  for (const s of spans ?? []) {
    parts.push(text.slice(last, s.from), make("mark", { title: s.name }, text.slice(s.from, s.to)));
    last = s.to;
  }
  parts.push(text.slice(last));
  return make("span", { class: "code" }, parts);
}

function step(s) {
  const captures = (s.captures ?? []).map((c) => make("span", { class: "code" }, ` ${c.name} = ${c.value || '""'}`));
  return make("li", { class: s.verdict === "acted" ? "" : "off" },
    make("span", { class: "name" }, s.pattern), " ", badge(s.verdict, tones[s.verdict] ?? ""),
    s.why && make("p", { class: "why" }, s.why),
    s.path && make("p", {}, s.path.spans.length ? marked(s.path.text, s.path.spans) : "", captures),
    s.changes.length > 0 && diff(s.changes));
}

function steps(title, list, rest, outside) {
  const most = 100;
  // Of many, those that did something are of interest, then the first ones.
  const shown = list.length > most ? [...list.filter((s) => s.verdict !== "not matched"), ...list.filter((s) => s.verdict === "not matched")].slice(0, most) : list;
  const left = list.length - shown.length;
  return [
    make("h3", {}, title),
    list.length === 0 && outside.length === 0 && make("p", {}, "No pattern has anything to say."),
    shown.length > 0 && make("ol", { class: "patterns" }, shown.map(step)),
    left > 0 && make("p", {}, `${left} more did not match.`),
    rest > 0 && make("p", {}, `The search ended here: ${rest} ${rest === 1 ? "pattern was" : "patterns were"} not tried.`),
    outside.length > 0 && make("p", {}, "Outside the patterns:"),
    outside.length > 0 && diff(outside),
  ];
}

const block = (title, text) => make("div", {}, make("h3", {}, title), make("pre", { tabindex: "0", "aria-label": title }, text));

export function explanation(e) {
  const answered = e.answer ? block("The filter answers", e.answer) : block("The upstream gets", e.upstream);
  return [
    ...steps("Patterns on the request", e.request, e.untried, e.outside),
    ...(e.response.length || e.outsideResponse.length ? steps("Patterns on the response", e.response, 0, e.outsideResponse) : []),
    make("div", { class: "both" }, block("The client sends", e.sent), answered),
    block("The client gets", e.client),
  ];
}

export function agreement(m) {
  if (!m) return null;
  const tone = m.agrees ? "good" : "bad";
  return make("p", { id: "agreement" },
    badge(m.agrees ? "filter agrees" : "filter differs", tone), " ",
    m.agrees ? "The shipped module, run here as a proxy runs it, makes the same of this request." : "",
    m.differences?.length ? make("ul", { class: "diff" }, m.differences.map((d) => make("li", { class: "gone" }, d))) : null);
}

export function findings(list, go) {
  if (list.length === 0) return [make("li", {}, "None: engine, lint and schema have nothing to say.")];
  const most = 100;
  const shown = list.slice(0, most).map((f) => {
    const tone = { error: "bad", warning: "warn" }[f.severity] ?? "";
    const said = [badge(f.severity, tone), " ", f.line ? `line ${f.line}: ` : "", make("span", { class: "code" }, [f.workload, f.path].filter(Boolean).join(" ")),
      make("span", { class: "reason" }, ` ${f.value ? f.value + ": " : ""}${f.reason}`), f.advice ? make("p", { class: "why" }, f.advice) : ""];
    return make("li", {}, f.line ? make("button", { type: "button", click: () => go(f.line, f.column) }, said) : said);
  });
  if (list.length > most) shown.push(make("li", {}, `${list.length - most} more.`));
  return shown;
}

export function tests(report) {
  return report.workloads.map((w) => make("section", {},
    make("h3", {}, w.workload || "Rules", make("small", {}, ` ${w.coverage.acted} of ${w.coverage.patterns} patterns act in a test${w.coverage.missing?.length ? "; not: " + w.coverage.missing.slice(0, 20).join(", ") : ""}`)),
    w.refusals?.length ? make("p", {}, "These rules are refused: see the findings.") : "",
    !w.refusals?.length && w.tests.length === 0 ? make("p", {}, "There are no tests. Add one from the request at hand, or write them under the key tests.") : "",
    make("ol", { class: "patterns" }, w.tests.map((test) => make("li", {},
      badge(test.passed ? "passed" : "failed", test.passed ? "good" : "bad"), " ", make("span", { class: "name" }, test.name), " ",
      make("span", { class: "code" }, test.request),
      test.acted?.length ? make("p", { class: "why" }, `acted: ${test.acted.join(", ")}`) : "",
      test.failures?.length ? make("ul", { class: "diff" }, test.failures.map((f) => make("li", { class: "gone" }, `${f.key}: got ${f.got}, want ${f.want}`))) : "")))));
}

export function change(report) {
  return [
    report.lines.length > 0 && make("h3", {}, "What the rules say differently"),
    report.lines.length > 0 && make("ul", { class: "plain" }, report.lines.map((l) => make("li", { class: "code" }, l))),
    ...(report.replay?.workloads ?? []).flatMap((w) => w.groups.map((g) => make("section", {},
      make("h3", {}, `${g.times} ${g.times === 1 ? "request" : "requests"}: `, make("span", { class: "name" }, `${g.old?.join(", ") || "no pattern"} → ${g.new?.join(", ") || "no pattern"}`)),
      make("ul", { class: "plain" }, g.examples.map((x) => make("li", {},
        make("p", { class: "code" }, `${x.request}${x.times > 1 ? `  (${x.times} times)` : ""}`),
        make("ul", { class: "diff" }, x.changes.flatMap((c) => [
          make("li", { class: "gone" }, `- ${c.what}: ${c.old || "none"}`),
          make("li", { class: "came" }, `+ ${c.what}: ${c.new || "none"}`),
        ])))))))),
  ];
}

export function imported(result) {
  return [
    make("h3", {}, "What to know"),
    result.left.length === 0 ? make("p", {}, "Nothing: everything that was read is in the values, and means the same.") :
      make("ul", { class: "plain" }, result.left.map((l) => make("li", {}, make("span", { class: "code" }, `${l.object} ${l.path}`), `: ${l.reason}`))),
    make("h3", {}, "Values"),
    make("pre", { tabindex: "0", "aria-label": "Values" }, result.values || "# nothing was carried over\n"),
  ];
}

export { fill };
