package playground_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// where is the path below which the tests serve the page: it must not need the root of a server.
const where = "/some/where/"

// bed is what all tests share: a static server and a browser.
var bed struct {
	browser context.Context
	server  *httptest.Server
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if _, err := os.Stat("../build/playground/index.html"); err != nil {
		fmt.Fprintln(os.Stderr, "there is no page: run make build-playground")
		return 1
	}

	bed.server = httptest.NewServer(http.StripPrefix(where, http.FileServer(http.Dir("../build/playground"))))
	defer bed.server.Close()

	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.WindowSize(1400, 1000))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with it
	}

	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()

	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Run(browser); err != nil {
		fmt.Fprintln(os.Stderr, "the browser does not start:", err)
		return 1
	}

	bed.browser = browser

	return m.Run()
}

func address() string { return bed.server.URL + where }

// tab is one page under test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	faults   []string // what the console and the network say is wrong
	expected []string // what of it is meant
}

// patience is how long anything may take on a machine that does other things too.
const patience = 90 * time.Second

// open opens the page in a tab of its own, with a fragment, and waits until the engine has answered. Whatever goes
// wrong in it fails the test: errors in the console, scripts and styles that the policy refuses, requests to elsewhere.
func open(t *testing.T, fragment string) *tab {
	t.Helper()
	p := blank(t)
	p.do(chromedp.Navigate(address() + fragment))
	p.settled()
	return p
}

func blank(t *testing.T) *tab {
	t.Helper()
	p := &tab{t: t}
	ctx, cancel := chromedp.NewContext(bed.browser)
	t.Cleanup(cancel)
	p.ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	chromedp.ListenTarget(p.ctx, p.hear)
	p.do(log.Enable(), runtime.Enable(), network.Enable())
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()

		for _, fault := range p.faults {
			if !p.meant(fault) {
				t.Error("the page: " + fault)
			}
		}
	})

	return p
}

func (p *tab) meant(fault string) bool {
	for _, one := range p.expected {
		if strings.Contains(fault, one) {
			return true
		}
	}
	return false
}

func (p *tab) hear(event any) {
	fault := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			fault = "console: "
			for _, a := range e.Args {
				fault += string(a.Value) + " " + a.Description
			}
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			fault = "log: " + e.Entry.Text + " " + e.Entry.URL
		}
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		if !strings.HasPrefix(url, address()) && !strings.HasPrefix(url, "blob:") && !strings.HasPrefix(url, "data:") {
			fault = "a request to elsewhere: " + url
		}
	}
	if fault != "" {
		p.mu.Lock()
		p.faults = append(p.faults, fault)
		p.mu.Unlock()
	}
}

func (p *tab) do(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval gives what an expression, or the promise that it is, comes to.
func eval[T any](p *tab, expression string) (result T) {
	p.t.Helper()
	p.do(chromedp.Evaluate(expression, &result, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	return result
}

// until waits for a condition.
func (p *tab) until(condition string) {
	p.t.Helper()
	err := chromedp.Run(p.ctx, chromedp.Poll(condition, nil, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		p.t.Fatalf("%s: %v; the page says %q", condition, err, p.text("#verdict"))
	}
}

// settled waits until the page shows the answer to what was asked last.
func (p *tab) settled() {
	p.t.Helper()
	p.until(`document.body.dataset.asked > 0 && document.body.dataset.play === document.body.dataset.asked && document.body.dataset.linted > 0 && document.body.dataset.link === location.hash`)
}

func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, `[...document.querySelectorAll(`+quote(selector)+`)].map((e) => e.innerText ?? e.value).join("\n")`)
}

// visit puts a state into the page by a link, as a user who follows one.
func (p *tab) visit(state map[string]string) {
	p.t.Helper()
	eval[bool](p, `(location.hash = `+quote("#"+pack(p.t, state))+`, true)`)
	p.settled()
}

// pack makes a link's fragment as the page does: JSON, deflated, in base64 for URLs.
func pack(t *testing.T, state map[string]string) string {
	t.Helper()

	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	return base64.RawURLEncoding.EncodeToString(packed.Bytes())
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return string(b)
}
