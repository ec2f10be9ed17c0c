// Keeps the page, so that it works without a network. FILES and RELEASE are written by the build: the page's files, and
// a digest of them all.
const cache = `wasm-rewrite-${RELEASE}`;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(cache).then((c) => c.addAll(FILES.map((f) => new Request(f, { cache: "reload" })))).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((n) => n.startsWith("wasm-rewrite-") && n !== cache).map((n) => caches.delete(n))))
    .then(() => clients.claim()));
});

// What is kept is one release: a page never gets one file of it and another of the next.
addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || new URL(event.request.url).origin !== location.origin) return;
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const c = await caches.open(cache);
  const kept = await c.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok && request.url.startsWith(registration.scope)) await c.put(request, response.clone());
  return response;
}
