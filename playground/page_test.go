package playground_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// click clicks as a user does.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(selector, chromedp.ByQuery))
}

// set writes a field and tells the page, as typing does.
func (p *tab) set(selector, text string) {
	p.t.Helper()
	eval[bool](p, `((e) => { e.value = `+quote(text)+`; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); return true })(document.querySelector(`+quote(selector)+`))`)
}

// edit replaces the values by the keyboard.
func (p *tab) edit(text string) {
	p.t.Helper()
	eval[bool](p, `(document.querySelector("#rules").shadowRoot.querySelector(".cm-content").focus(), true)`)
	p.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)), chromedp.KeyEvent(kb.Delete), input.InsertText(text))
}

const shop = `workloads:
  shop:
    selector: {app: shop}
    patterns:
    - name: teapot
      match: {path: {regex: "^/banana/([0-9]+)$"}, headers: [{name: x-env, exact: blue}]}
      rewrite: {path: /status/$1}
    - name: moved
      match: {path: {prefix: /old}}
      redirect: {status: 308, path: /new}
    tests:
    - name: right
      request: {path: /old/shoes}
      expect: {pattern: moved, status: 308}
    - name: wrong
      request: {path: /old/shoes}
      expect: {status: 301}
`

func TestARequestIsExplained(t *testing.T) {
	page := open(t, "")
	page.visit(map[string]string{"v": shop, "m": "GET", "u": "https://shop.example.com/banana/418?v=2", "h": "X-Env: blue", "s": "418"})
	if got := page.text("#verdict"); got != "teapot acted. GET https://shop.example.com/banana/418?v=2 goes upstream as GET https://shop.example.com/status/418?v=2; the client gets 418." {
		t.Error(got)
	}
	if got := page.text("#outcome mark"); got != "418" {
		t.Errorf("marked: %q", got)
	}
	if got := page.text("#steps"); !strings.HasPrefix(got, "Steps: ") {
		t.Errorf("steps: %q", got)
	}
	if got := page.text("#outcome .diff"); got != "- :path: /banana/418?v=2\n+ :path: /status/418?v=2" {
		t.Errorf("changed: %q", got)
	}

	// Without the header, the page says what kept the pattern from matching.
	page.set("#headers", "")
	page.settled()
	if got := page.text("#outcome .why"); !strings.Contains(got, "x-env") || !strings.Contains(got, "not there") {
		t.Errorf("why: %q", got)
	}
	if got := page.text("#about"); !strings.Contains(got, "SHA-256 "+digest(t)) {
		t.Errorf("about: %q", got)
	}
}

func TestTests(t *testing.T) {
	page := open(t, "")
	page.visit(map[string]string{"v": shop, "m": "GET", "u": "/old/boots", "s": "200"})
	page.click("#tab-tests")
	page.until(`document.querySelector("#tests-verdict").textContent.startsWith("1 passed, 1 failed, in the engine and in the filter.")`)
	if got := page.text("#tests .diff"); got != "status: got 308, want 301" {
		t.Errorf("reason: %q", got)
	}

	// The request at hand becomes a test, which passes.
	page.click("#keep")
	page.until(`document.querySelector("#tests-verdict").textContent.startsWith("2 passed, 1 failed")`)
	if got := page.text("#tests"); !strings.Contains(got, "get /old/boots") {
		t.Errorf("tests: %q", got)
	}
}

func TestChange(t *testing.T) {
	page := open(t, "")
	page.visit(map[string]string{"v": strings.Replace(shop, "path: /new", "path: /newer", 1), "o": shop, "t": "change",
		"l": "GET https://shop.example.com/old/a\nGET https://shop.example.com/old/b\nGET https://shop.example.com/cart\n"})
	page.until(`document.querySelector("#change-verdict").textContent === "2 of 3 requests come out differently."`)
	if got := page.text("#change .diff"); !strings.Contains(got, "- location: https://shop.example.com/new/a") ||
		!strings.Contains(got, "+ location: https://shop.example.com/newer/a") {
		t.Errorf("differences: %q", got)
	}
	if got := page.text("#change"); !strings.Contains(got, "moved") {
		t.Errorf("what the rules say: %q", got)
	}
}

func TestImport(t *testing.T) {
	page := open(t, "")
	page.click("#tab-import")
	page.set("#objects", ingress)
	page.click("#convert")
	page.until(`document.querySelector("#import-verdict").textContent.includes("objects read") || document.querySelector("#import-verdict").classList.contains("bad")`)
	if got := page.text("#import"); !strings.Contains(got, "workloads:") {
		t.Fatalf("import: %q, %q", page.text("#import-verdict"), got)
	}
	page.click("#use")
	page.settled()
	page.set("#url", "http://shop.example.com/something/cart")
	page.settled()
	if got := page.text("#verdict"); !strings.Contains(got, "goes upstream as GET http://shop.example.com/cart") {
		t.Errorf("the imported values: %q", got)
	}

	// What is not an object of these kinds is said.
	page.click("#tab-import")
	page.set("#objects", "kind: ConfigMap\napiVersion: v1\n")
	page.click("#convert")
	page.until(`document.querySelector("#import-verdict").classList.contains("bad")`)
}

const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/rewrite-target: /$2
    nginx.ingress.kubernetes.io/use-regex: "true"
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /something(/|$)(.*)
        pathType: ImplementationSpecific
        backend: {service: {name: shop, port: {number: 80}}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: 8080}]
`

func TestALinkHoldsEverything(t *testing.T) {
	page := open(t, "")
	page.visit(map[string]string{"v": shop, "m": "POST", "u": "/old/b?ü=1", "h": "x-a: 1\nx-b: 2", "s": "503", "r": "server: x", "l": "GET /a",
		"i": "kind: Ingress", "t": "tests"})
	page.click("#share")
	page.until(`document.querySelector("#toast").textContent !== ""`)
	fragment := eval[string](page, `location.hash`)

	again := open(t, fragment)
	for selector, want := range map[string]string{"#method": "POST", "#url": "/old/b?ü=1", "#headers": "x-a: 1\nx-b: 2", "#status": "503",
		"#response-headers": "server: x", "#log": "GET /a", "#objects": "kind: Ingress"} {
		if got := eval[string](again, `document.querySelector(`+quote(selector)+`).value`); got != want {
			t.Errorf("%s: %q, want %q", selector, got, want)
		}
	}
	again.until(`document.querySelector("#tests-verdict").textContent.startsWith("1 passed, 1 failed")`)

	// A link that cannot be read is reported, and the page works on.
	broken := open(t, "#no-link-at-all")
	broken.until(`document.querySelector("#toast").textContent.startsWith("This link cannot be read")`)

	bomb := open(t, "#"+pack(t, map[string]string{"v": strings.Repeat(" ", 8<<20)}))
	bomb.until(`document.querySelector("#toast").textContent.includes("more than 4 MiB")`)
}

// Whatever is pasted is text: nothing of it becomes an element.
func TestNothingPastedIsMarkup(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)><script>alert(1)</script>`
	page := open(t, "")
	values := strings.ReplaceAll(shop, "name: right", "name: '"+evil+"'")
	values = strings.Replace(values, "    tests:", "    - name: 'x"+evil+"'\n      match: {path: {regex: '"+evil+"('}}\n      zz"+"<b>: 1\n    tests:", 1)
	page.visit(map[string]string{"v": values, "m": "GET", "u": "/" + evil, "h": "x-a: " + evil, "s": "200", "r": "x-b: " + evil, "o": values,
		"i": values + evil, "w": evil})

	for _, tab := range []string{"tests", "change", "import", "try"} {
		page.click("#tab-" + tab)
		if tab == "import" {
			page.click("#convert")
			page.until(`document.querySelector("#import-verdict").classList.contains("bad")`)
		}
	}
	page.visit(map[string]string{"v": strings.ReplaceAll(shop, "name: right", "name: '"+evil+"'"), "m": "GET", "u": "/" +
		strings.ReplaceAll(evil, " ", ""), "h": "x-a: " + evil, "s": "200", "r": "x-b: " + evil, "t": "tests"})
	page.until(`document.querySelector("#tests").textContent.includes("onerror")`)
	const count = `[document, ...[...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)].map((r) => r.querySelectorAll("img, b, script:not([src])").length).reduce((a, b) => a + b, 0)`
	if n := eval[int](page, count); n != 0 {
		t.Errorf("%d elements of what was pasted", n)
	}
}

func TestErrorsAreShownAtTheirLines(t *testing.T) {
	page := open(t, "")
	page.visit(map[string]string{"v": strings.Replace(shop, "/status/$1", "/status/$2", 1), "u": "/", "m": "GET", "s": "200"})
	page.until(`document.querySelector("#findings .badge.bad") !== null`)
	if got := page.text("#findings"); !strings.Contains(got, "line 7") || !strings.Contains(got, "patterns[0].rewrite.path") {
		t.Errorf("findings: %q", got)
	}
	page.until(`document.querySelector("#rules").shadowRoot.querySelector(".cm-lint-marker-error") !== null`)

	// From the finding to its line, by the keyboard.
	page.do(chromedp.Focus("#findings button", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
	page.until(`document.querySelector("#rules").shadowRoot.querySelector(".cm-activeLine").textContent.includes("/status/$2")`)

	// What is not YAML, and what the schema alone knows.
	page.edit("workloads:\n  shop:\n\tselector: {}\n")
	page.until(`document.querySelector("#findings").textContent.includes("line 3")`)
	page.edit("workloads:\n  shop:\n    phase: LATE\n    patterns: []\n")
	page.until(`document.querySelector("#findings").textContent.includes("line 3") && document.querySelector("#findings .badge.bad") !== null`)

	// A field that cannot be read is said.
	page.set("#status", "9")
	page.until(`document.querySelector("#verdict").textContent.includes("from 100 to 599")`)
}

func TestTheKeyboardIsEnough(t *testing.T) {
	page := open(t, "")
	focus := `(document.activeElement.id || document.activeElement.closest("[id]")?.id || document.activeElement.tagName)`

	// Tab goes through everything, and out of the editor again.
	seen := map[string]bool{}
	for range 40 {
		page.do(chromedp.KeyEvent(kb.Tab))
		seen[eval[string](page, focus)] = true
	}

	for _, id := range []string{"example", "share", "export", "rules", "tab-try", "method", "url", "headers", "status", "response-headers"} {
		if !seen[id] {
			t.Errorf("Tab does not come to #%s", id)
		}
	}

	// Arrows choose a tab.
	page.do(chromedp.Focus("#tab-try", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowRight))
	if got := eval[string](page, focus); got != "tab-tests" || !eval[bool](page, `!document.querySelector("#panel-tests").hidden`) {
		t.Errorf("the arrow leads to %s", got)
	}
	page.do(chromedp.KeyEvent(kb.Home))

	// The editor completes keys of the chart's schema.
	page.edit("workloads:\n  shop:\n    selector: {app: shop}\n    origi")
	page.do(chromedp.KeyEvent(" ", chromedp.KeyModifiers(input.ModifierCtrl)))
	page.until(`document.querySelector("#rules").shadowRoot.querySelector(".cm-tooltip-autocomplete")?.textContent.includes("originalPathHeader")`)
	page.do(chromedp.Sleep(100*time.Millisecond), chromedp.KeyEvent(kb.Enter)) // CodeMirror takes no Enter in a list's first moment
	page.until(`document.querySelector("#rules").shadowRoot.querySelector(".cm-content").textContent.includes("originalPathHeader")`)
}

func TestKeysAreExplained(t *testing.T) {
	page := open(t, "")
	page.edit(shop)
	page.settled()
	place := eval[[]float64](page, `(() => {
		const line = [...document.querySelector("#rules").shadowRoot.querySelectorAll(".cm-line")].find((l) => l.textContent.includes("selector"));
		const r = line.getBoundingClientRect();
		return [r.left + 60, r.top + 8];
	})()`)
	page.do(input.DispatchMouseEvent(input.MouseMoved, place[0]-5, place[1]), input.DispatchMouseEvent(input.MouseMoved, place[0], place[1]))
	page.until(`document.querySelector("#rules").shadowRoot.querySelector(".cm-tooltip-hover")?.textContent.length > 10`)
}

func digest(t *testing.T) string {
	t.Helper()

	wasm, err := os.ReadFile("../build/plugin.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return sum(wasm)
}

// What a link holds cannot keep the page busy for minutes: each of these did.
func TestALinkDoesNotHangThePage(t *testing.T) {
	t.Run("many entries", func(t *testing.T) {
		page := open(t, "")
		page.visit(map[string]string{"v": "workloads: {a: {patterns: [" + strings.Repeat("{},", 20_000) + "]}}"})
		page.until(`document.querySelector("#findings").textContent.includes("too much text for the chart's schema in this page")`)
		if got := page.text("#verdict"); !strings.Contains(got, "has 20000 patterns") {
			t.Error(got)
		}
	})

	t.Run("two long lines that differ everywhere", func(t *testing.T) {
		page := open(t, "")
		page.visit(map[string]string{"v": strings.Repeat("ab", 900_000), "o": strings.Repeat("ba", 900_000), "t": "change"})
		page.until(`document.querySelector("#change-verdict").textContent.includes("the old rules")`)
	})

	t.Run("depth", func(t *testing.T) {
		page := open(t, "")
		eval[bool](page, `(location.hash = `+quote("#"+pack(t, map[string]string{"v": "vars: " + strings.Repeat("[", 30_000)}))+`, true)`)
		page.until(`document.querySelector("#verdict").textContent === "This is nested too deeply for the browser."`)
	})
}
