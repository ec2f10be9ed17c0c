// The worker that holds the engine and the filter. It answers one question at a time; of several of one kind that wait,
// the last alone is of interest. One that takes too long ends the worker, and a new one takes its place.
const patience = 15_000;

export class Superseded extends Error {}

export class Engine {
  constructor(about) {
    this.about = about;
    this.waiting = new Map();
    this.number = 0;
    this.start();
  }

  start() {
    this.worker = new Worker("worker.js", { type: "module" });
    this.ready = false;
    this.current = null;
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = () => this.fail(new Error("The engine could not be started: does this browser run WebAssembly?"));
  }

  ask(call, input) {
    return new Promise((resolve, reject) => {
      this.waiting.get(call)?.reject(new Superseded());
      this.waiting.delete(call);
      this.waiting.set(call, { call, input, resolve, reject });
      this.next();
    });
  }

  next() {
    if (!this.ready || this.current || this.waiting.size === 0) return;
    const [call, question] = this.waiting.entries().next().value;
    this.waiting.delete(call);
    this.current = question;
    question.number = ++this.number;
    question.timer = setTimeout(() => this.tooLong(), patience * (call === "import" ? 4 : 1));
    this.worker.postMessage({ number: question.number, call, input: JSON.stringify(question.input) });
  }

  hear(data) {
    if (data.ready) {
      this.ready = true;
      this.about(data.ready);
    } else if (data.failed && !this.current) {
      this.fail(new Error(data.failed));
    } else if (this.current?.number === data.number) {
      const question = this.current;
      clearTimeout(question.timer);
      this.current = null;
      if (data.failed) question.reject(new Error(data.deep ? "This is nested too deeply for the browser." : data.failed));
      else question.resolve(JSON.parse(data.answer));
      if (data.over) this.restart();
    }
    this.next();
  }

  tooLong() {
    this.current.reject(new Error("This took longer than 15 seconds and was stopped."));
    this.restart();
  }

  restart() {
    this.worker.terminate();
    this.start();
  }

  fail(error) {
    this.current?.reject(error);
    for (const question of this.waiting.values()) question.reject(error);
    this.waiting.clear();
    this.current = null;
    this.about({ error: error.message });
  }
}
