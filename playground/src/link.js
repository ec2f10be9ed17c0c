// Everything on the page as a link: JSON, deflated, in the URL's fragment, which no browser sends to a server.
const most = 4 << 20;

const pipe = (bytes, through) => new Blob([bytes]).stream().pipeThrough(through);

export async function pack(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  const packed = new Uint8Array(await new Response(pipe(bytes, new CompressionStream("deflate-raw"))).arrayBuffer());
  let text = "";
  for (const b of packed) text += String.fromCharCode(b);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export async function unpack(fragment) {
  const text = atob(fragment.replace(/-/g, "+").replace(/_/g, "/"));
  const reader = pipe(Uint8Array.from(text, (c) => c.charCodeAt(0)), new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) throw new Error("the link holds more than 4 MiB");
    parts.push(value);
  }
  const state = JSON.parse(await new Blob(parts).text());
  const known = {};
  for (const [key, value] of Object.entries(state)) if (typeof value === "string") known[key] = value;
  return known;
}
