// Runs the Go programs of the page. Each hands over one function, which takes the name of a question and its input as
// JSON, and gives JSON.
import "wasm_exec";

const programs = {};
globalThis.provide = (name, answer) => programs[name](answer);

// file fetches a file of the page, and unpacks it where the server has not: most static servers send .gz as it is.
async function file(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function start(name) {
  const provided = new Promise((resolve) => (programs[name] = resolve));
  const go = new Go();
  const { instance } = await WebAssembly.instantiate(await file(`${name}.wasm.gz`), go.importObject);
  const ended = go.run(instance).then(() => Promise.reject(new Error("The engine ended.")));
  return Promise.race([provided, ended]);
}

let importer;

const ready = (async () => {
  const [answer, module] = await Promise.all([start("engine"), file("plugin.wasm")]);
  const about = JSON.parse(answer("module", module));
  postMessage({ ready: about });
  return answer;
})();

ready.catch((error) => postMessage({ failed: String(error.message ?? error) }));

onmessage = async ({ data }) => {
  const { number, call, input } = data;
  try {
    let answer = await ready;
    if (call === "import") answer = await (importer ??= start("import"));
    postMessage({ number, answer: answer(call, input) });
  } catch (error) {
    if (call === "import") importer = undefined;
    // A Go program that has panicked answers nothing any more.
    postMessage({ number, failed: String(error.message ?? error), deep: error instanceof RangeError, over: call !== "import" });
  }
};
