// The page: what the user does, asked of the engine, and its answers shown.
import { Engine, Superseded } from "./engine.js";
import { Rules, Versions } from "./editor.js";
import { at, fill, make } from "./dom.js";
import { pack, unpack } from "./link.js";
import * as view from "./view.js";

// The fields of the page that a link holds, by the key that they have there.
const fields = { method: "m", url: "u", headers: "h", status: "s", "response-headers": "r", log: "l", objects: "i" };
const empty = { method: "GET", url: "/", status: "200" };
const panels = ["try", "tests", "change", "import"];
const seen = { workload: "", kind: "", tab: "try", imported: "", plays: 0 };

const schema = await (await fetch("schema.json")).json();
const recipes = await (await fetch("recipes.json")).json();
const rules = new Rules(at("rules"), schema, () => edited());
let versions; // made when its tab is opened first

const engine = new Engine((about) => {
  at("about").textContent = about.error ? about.error : `Engine ${about.version}. Filter plugin.wasm, SHA-256 ${about.sha256}.`;
  if (about.error) complain(at("verdict"), new Error(about.error));
});

function complain(e, error) {
  if (error instanceof Superseded) return;
  e.textContent = error.message;
  e.classList.add("bad");
}

const input = () => ({
  values: rules.text, workload: seen.workload,
  method: at("method").value, url: at("url").value, headers: at("headers").value,
  status: at("status").value, responseHeaders: at("response-headers").value,
});

// What was asked last decides what is shown.
async function attempt() {
  const play = ++seen.plays;
  document.body.dataset.asked = String(play);
  const began = performance.now();
  const answer = await engine.ask("try", input());
  if (play !== seen.plays) return;
  const verdict = at("verdict");
  workloads(answer);
  rules.of(answer.kind);
  verdict.classList.toggle("bad", Boolean(answer.problem));
  verdict.textContent = answer.problem || answer.verdict;
  fill(at("outcome"), answer.explanation ? [view.agreement(answer.module), cost(answer), ...view.explanation(answer.explanation)] : []);
  // For those who measure: which question is answered, and how long that took, from the question to the page.
  document.body.dataset.took = String(Math.round(performance.now() - began));
  document.body.dataset.play = String(play);
}

function cost(answer) {
  return answer.steps ? make("p", { id: "steps" }, `Steps: ${answer.steps.used.toLocaleString("en")} of ${answer.steps.budget.toLocaleString("en")} (${(100 * answer.steps.used / answer.steps.budget).toFixed(2)} %).`) : null;
}

function workloads(answer) {
  const select = at("workload");
  const names = answer.workloads ?? [];
  if (names.join("\n") !== [...select.options].map((o) => o.value).join("\n")) {
    fill(select, names.map((name) => make("option", { value: name }, name || "rules")));
  }
  select.disabled = names.length < 2;
  seen.workload = answer.workload ?? "";
  select.value = seen.workload;
}

async function lint() {
  const answer = await engine.ask("lint", { values: rules.text });
  const all = rules.show(answer.findings);
  fill(at("findings"), view.findings(all, (line, column) => rules.go(line, column)));
  document.body.dataset.linted = String(Number(document.body.dataset.linted ?? 0) + 1);
}

async function runTests() {
  const report = await engine.ask("tests", { values: rules.text });
  const verdict = at("tests-verdict");
  verdict.classList.toggle("bad", Boolean(report.problem || report.failed));
  verdict.textContent = report.problem || `${report.passed} passed, ${report.failed} failed, in the engine and in the filter${report.agrees ? "" : ", which do not agree"}.`;
  fill(at("tests"), report.problem ? [] : view.tests(report));
}

async function compare() {
  if (!versions) return;
  const report = await engine.ask("change", { old: versions.old, new: versions.new, log: at("log").value });
  const verdict = at("change-verdict");
  verdict.classList.toggle("bad", Boolean(report.problem));
  verdict.textContent = report.problem || (report.replay ? `${report.replay.changed} of ${report.replay.requests} requests come out differently.` : "Without requests, what the rules say is compared.");
  fill(at("change"), report.problem ? [] : view.change(report));
}

async function convert() {
  const verdict = at("import-verdict");
  verdict.classList.remove("bad");
  verdict.textContent = "Working; the first time, this loads some 5 MB more.";
  const result = await engine.ask("import", { objects: at("objects").value });
  verdict.classList.toggle("bad", Boolean(result.problem));
  verdict.textContent = result.problem || `${result.read} objects read, ${result.left.length} things to know about them.`;
  seen.imported = result.values ?? "";
  at("use").hidden = !seen.imported;
  fill(at("import"), result.problem ? [] : view.imported(result));
}

const guard = (work, place) => () => work().catch((error) => complain(at(place), error));
const later = (work, delay) => {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, delay);
  };
};

const tryNow = guard(attempt, "verdict");
const lintSoon = later(guard(lint, "verdict"), 250);
const testSoon = later(guard(runTests, "tests-verdict"), 150);
const compareSoon = later(guard(compare, "change-verdict"), 300);

function edited() {
  tryNow();
  lintSoon();
  if (seen.tab === "tests") testSoon();
}

function open(tab) {
  if (tab === "change") sides();
  else if (seen.tab === "change" && versions) rules.text = versions.new;
  seen.tab = tab;
  for (const name of panels) {
    at(`panel-${name}`).hidden = name !== tab;
    at(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    at(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
  }
  document.querySelector("main").classList.toggle("changing", tab === "change");
  if (tab === "tests") testSoon();
  if (tab === "change") compareSoon();
}

function sides() {
  versions ??= new Versions(at("change-editors"), () => compareSoon());
  if (!versions.old) versions.old = rules.text;
  versions.new = rules.text;
}

function toast(text) {
  at("toast").textContent = text;
  setTimeout(() => (at("toast").textContent = ""), 4000);
}

// A link holds every field, the values, and which tab is open.
function state() {
  if (seen.tab === "change" && versions) rules.text = versions.new;
  const all = { v: rules.text, w: seen.workload, t: seen.tab };
  if (versions?.old) all.o = versions.old;
  for (const [id, key] of Object.entries(fields)) all[key] = at(id).value;
  return all;
}

async function restore(fragment) {
  const all = await unpack(fragment);
  for (const [id, key] of Object.entries(fields)) at(id).value = all[key] ?? empty[id] ?? "";
  seen.workload = all.w ?? "";
  rules.text = all.v ?? "";
  if (all.o) {
    sides();
    versions.old = all.o;
  }
  if (panels.includes(all.t)) open(all.t);
}

async function share() {
  const address = new URL(location.href);
  address.hash = await pack(state());
  history.replaceState(null, "", address);
  document.body.dataset.link = location.hash;
  try {
    await navigator.clipboard.writeText(address.href);
    toast("The link is copied, and in the address bar.");
  } catch {
    toast("The link is in the address bar.");
  }
}

function save(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/yaml" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function keep() {
  const answer = await engine.ask("keep", input());
  if (answer.problem) throw new Error(answer.problem);
  rules.text = answer.values;
  toast(`The test ${answer.name} is in the values.`);
}

function example(name) {
  const one = recipes.find((r) => r.name === name);
  if (!one) return;
  seen.workload = "";
  for (const id of ["method", "url", "headers", "status", "response-headers"]) at(id).value = one[id] ?? empty[id] ?? "";
  rules.text = one.values;
  tryNow();
}

function wire() {
  fill(at("example"), make("option", { value: "" }, "choose one…"), recipes.map((r) => make("option", { value: r.name }, r.title)));
  at("example").addEventListener("change", (e) => example(e.target.value));
  at("workload").addEventListener("change", (e) => {
    seen.workload = e.target.value;
    tryNow();
  });
  for (const id of ["method", "url", "headers", "status", "response-headers"]) at(id).addEventListener("input", tryNow);
  at("request").addEventListener("submit", (e) => e.preventDefault());
  at("log").addEventListener("input", compareSoon);
  at("share").addEventListener("click", guard(share, "verdict"));
  at("export").addEventListener("click", () => save("values.yaml", rules.text));
  at("keep").addEventListener("click", guard(keep, "tests-verdict"));
  at("take").addEventListener("click", () => (versions.old = versions.new));
  at("convert").addEventListener("click", guard(convert, "import-verdict"));
  at("use").addEventListener("click", () => {
    rules.text = seen.imported;
    open("try");
  });
  at("tabs").addEventListener("click", (e) => e.target.role === "tab" && open(e.target.id.slice(4)));
  at("tabs").addEventListener("keydown", (e) => {
    const now = panels.indexOf(seen.tab);
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: panels.length - 1 }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    open(panels[(to + panels.length) % panels.length]);
    at(`tab-${seen.tab}`).focus();
  });
  addEventListener("hashchange", () => arrive());
}

// A link of the page wins over one of the docs, and that over the first recipe.
async function arrive() {
  const fragment = location.hash.slice(1);
  if (recipes.some((r) => r.name === fragment)) {
    at("example").value = fragment;
    example(fragment);
  } else if (fragment) {
    try {
      await restore(fragment);
    } catch (error) {
      toast(`This link cannot be read: ${error.message}`);
    }
  } else if (!rules.text) {
    example(recipes[0].name);
  }
  edited();
  document.body.dataset.link = location.hash;
}

wire();
await arrive();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("offline.js").catch(() => {});
