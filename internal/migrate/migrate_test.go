package migrate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

var update = flag.Bool("update", false, "write the reports and values into the cases")

// TestCases runs testdata: objects, the report and the values that come of
// them, and what the rules of a workload do with requests. The requests are
// written by hand:
//
//	WORKLOAD METHOD URL [NAME: VALUE]… => PATH [NAME=VALUE]…
//	WORKLOAD METHOD URL [NAME: VALUE]… => STATUS LOCATION
//
// The upstream's name for its host is host; a name that begins with < is a
// header that the upstream answers, or the client gets.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}

	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCase(t, file) })
	}
}

// runCase converts the objects of a case, compares what came of them, and asks the rules.
func runCase(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}

	var o Options
	if flags := section(archive, "flags"); flags != nil {
		o = options(t, string(flags.Data))
	}

	docs, err := input.Parse("input.yaml", section(archive, "input.yaml").Data)
	if err != nil {
		t.Fatal(err)
	}

	r, err := Convert(docs.Objects(), o)
	got := map[string]string{}
	if err != nil {
		got["error"] = err.Error() + "\n"
	} else {
		got["report"], got["values"] = reportText(r.Report), string(r.Values)
	}
	compare(t, archive, got)
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if requests := section(archive, "requests"); requests != nil && r != nil {
		for line := range strings.Lines(string(requests.Data)) {
			ask(t, r.Values, strings.TrimSpace(line))
		}
	}
}

// eachCase converts the objects of each case of testdata that has no error.
func eachCase(t *testing.T, check func(t *testing.T, r *Result)) {
	t.Helper()

	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}

	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if section(archive, "error") != nil {
				return
			}

			var o Options
			if flags := section(archive, "flags"); flags != nil {
				o = options(t, string(flags.Data))
			}

			docs, err := input.Parse("input.yaml", section(archive, "input.yaml").Data)
			if err != nil {
				t.Fatal(err)
			}

			r, err := Convert(docs.Objects(), o)
			if err != nil {
				t.Fatal(err)
			}

			check(t, r)
		})
	}
}

// section is the part of a case that has a name, or nil.
func section(archive *txtar.Archive, name string) *txtar.File {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i]
		}
	}
	return nil
}

// reportText is a report as the cases have it.
func reportText(r plan.Report) string {
	var text strings.Builder
	for _, o := range r.Objects {
		fmt.Fprintf(&text, "%s: %s\n", o.Name, o.State)

		for _, f := range o.Findings {
			fmt.Fprintf(&text, "  %s: %s: %s\n", f.Kind, f.Path, f.Reason)
		}
		if len(o.TakeOut) > 0 {
			fmt.Fprintf(&text, "  take out: %s\n", strings.Join(o.TakeOut, ", "))
		}
	}

	return text.String()
}

// compare holds what a conversion gave against a case, or writes it there under -update.
func compare(t *testing.T, archive *txtar.Archive, got map[string]string) {
	t.Helper()

	for _, name := range []string{"error", "report", "values"} {
		s := section(archive, name)
		switch {
		case *update && got[name] != "":
			if s == nil {
				archive.Files = append(archive.Files, txtar.File{Name: name})
				s = &archive.Files[len(archive.Files)-1]
			}

			s.Data = []byte(got[name])
		case s == nil && got[name] != "":
			t.Errorf("%s: nothing is wanted, and there is\n%s", name, got[name])
		case s != nil && string(s.Data) != got[name]:
			t.Errorf("%s: got\n%s\nwant\n%s", name, got[name], s.Data)
		}
	}
}

// options are those of a case's flags.
func options(t *testing.T, flags string) (o Options) {
	t.Helper()

	for word := range strings.FieldsSeq(flags) {
		switch word {
		case Gateway:
			o.At = Gateway
		case "waypoint":
			o.Waypoint = true
		case "moving":
			o.Moving = true
		default:
			t.Fatalf("no flag %s", word)
		}
	}

	return o
}

// ask puts one line of requests through the rules of its workload.
func ask(t *testing.T, values []byte, line string) {
	t.Helper()

	question, want, ok := strings.Cut(line, " => ")
	words := strings.Fields(question)
	if !ok || len(words) < 3 {
		t.Fatalf("%q is no request", line)
	}

	u, err := url.Parse(words[2])
	if err != nil {
		t.Fatal(err)
	}

	var headers, answers []message.Header
	for i := 3; i+1 < len(words); i += 2 {
		h := message.Header{Name: strings.TrimSuffix(words[i], ":"), Value: words[i+1]}
		if name, ok := strings.CutPrefix(h.Name, "<"); ok {
			answers = append(answers, message.Header{Name: name, Value: h.Value})
		} else {
			headers = append(headers, h)
		}
	}

	target := u.EscapedPath()
	if u.RawQuery != "" {
		target += "?" + u.RawQuery
	}

	seen := run(t, values, words[0], exchange.Request(words[1], u.Scheme, u.Host, target, headers), exchange.Response(200, answers))
	var got []string
	wants := strings.Fields(want)
	if seen.Upstream == nil {
		got = []string{exchange.Value(seen.Client, ":status"), exchange.Value(seen.Client, "location")}
	} else {
		got = []string{exchange.Value(*seen.Upstream, ":path")}
	}

	for _, w := range wants[1:] {
		name, _, ok := strings.Cut(w, "=")
		if !ok || seen.Upstream == nil {
			continue
		}

		from := *seen.Upstream
		if n, ok := strings.CutPrefix(name, "<"); ok {
			from, name = seen.Client, n
		}
		if name == "host" {
			name = ":authority"
		}

		text := strings.Join(exchange.Values(from, name), ",")
		got = append(got, w[:strings.IndexByte(w, '=')]+"="+text)
	}
	if text := strings.TrimSpace(strings.Join(got, " ")); text != strings.Join(wants, " ") {
		t.Errorf("%s\n got %s", line, text)
	}
}

// run puts a request through the rules of a workload; a workload that is not
// there changes nothing.
func run(t *testing.T, values []byte, workload string, request, response message.Message) exchange.Seen {
	t.Helper()
	var all struct {
		Workloads map[string]map[string]any `json:"workloads"`
	}
	if err := kyaml.Unmarshal(values, &all); err != nil {
		t.Fatal(err)
	}

	text, err := json.Marshal(map[string]any{"patterns": all.Workloads[workload]["patterns"]})
	if err != nil {
		t.Fatal(err)
	}

	rules, err := rewrite.Load(text)
	if err != nil {
		t.Fatal(err)
	}

	seen, err := exchange.Native(rules).Exchange(t.Context(), request, response)
	if err != nil {
		t.Fatal(err)
	}

	return seen
}

// TestDocumentIsValues holds that what is printed is the values, whatever the
// objects hold: text of theirs ends no comment and begins no key.
func TestDocumentIsValues(t *testing.T) {
	for _, text := range []string{"a\nworkloads: {x: {}}", "a\r\nworkloads: {}", "a\u2028x: y", "# a", "---", "a\x00b\x85c", "'\"", "ä \ufeff"} {
		doc := map[string]any{
			"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
			"metadata": map[string]any{"name": "a", "namespace": "b"},
			"spec": map[string]any{"hosts": []any{"a.example.com", text}, "gateways": []any{text}, "http": []any{map[string]any{"delegate": map[string]any{"name": text}}, map[string]any{
				"match": []any{map[string]any{"uri": map[string]any{"prefix": "/" + text}}}, "rewrite": map[string]any{"uri": "/x" + text}, "route": []any{map[string]any{"destination": map[string]any{"host": "s"}}},
				"headers": map[string]any{"request": map[string]any{"set": map[string]any{"x-a": text, "x-b": "%" + text + "%"}}},
			}}},
		}
		r, err := Convert([]map[string]any{doc}, Options{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var printed, meant any
		if err := kyaml.Unmarshal(r.Document(), &printed); err != nil {
			t.Errorf("%q: %v\n%s", text, err, r.Document())
		}
		if err := kyaml.Unmarshal(r.Values, &meant); err != nil || !bytes.Equal(must(t, printed), must(t, meant)) {
			t.Errorf("%q: printed\n%s\nmeant\n%s", text, r.Document(), r.Values)
		}
	}
}

func must(t *testing.T, v any) []byte {
	t.Helper()

	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// many are Ingresses of five paths each.
func many(n int) []map[string]any {
	var docs []map[string]any
	for i := range n {
		var paths []any
		for j := range 5 {
			paths = append(paths, map[string]any{
				"path": fmt.Sprintf("/p%d(/|$)(.*)", j), "pathType": "ImplementationSpecific",
				"backend": map[string]any{"service": map[string]any{"name": fmt.Sprintf("s%d", j), "port": map[string]any{"number": 80}}},
			})
		}

		docs = append(docs, map[string]any{
			"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
			"metadata": map[string]any{"name": fmt.Sprintf("i%d", i), "namespace": "apps", "annotations": map[string]any{
				"nginx.ingress.kubernetes.io/rewrite-target": "/$2", "nginx.ingress.kubernetes.io/permanent-redirect-code": "308",
			}},
			"spec": map[string]any{"ingressClassName": "nginx", "rules": []any{map[string]any{"host": fmt.Sprintf("h%d.example.com", i), "http": map[string]any{"paths": paths}}}},
		})
	}

	return docs
}

// TestManyObjects holds that ten times the objects take some ten times the CPU
// time, and that none is lost.
func TestManyObjects(t *testing.T) {
	measure := func(n int) time.Duration { return leastCPU(t, many(n), Options{Waypoint: true}, "- name: i", 5*n) }
	few, all := measure(50), measure(500)
	t.Logf("50 Ingresses of 5 paths: %v of CPU; 500: %v", few, all)
	if all > 25*few {
		t.Errorf("ten times the objects took %.0f times as long", float64(all)/float64(few))
	}
}

// manyRoutes are HTTPRoutes of Envoy Gateway, each with a rewrite and a host of its own.
func manyRoutes(n int) []map[string]any {
	docs := []map[string]any{{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": map[string]any{"name": "public"},
		"spec": map[string]any{"controllerName": envoyGatewayController},
	}, {
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": map[string]any{"name": "public", "namespace": "apps"},
		"spec": map[string]any{"gatewayClassName": "public", "listeners": []any{map[string]any{"name": "http", "protocol": "HTTP", "port": 80}}},
	}}
	for i := range n {
		rewrite := map[string]any{"path": map[string]any{"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}

		backends := []any{map[string]any{"name": "shop", "port": 80}}
		docs = append(docs, map[string]any{
			"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
			"metadata": map[string]any{"name": fmt.Sprintf("r%d", i), "namespace": "apps"},
			"spec": map[string]any{
				"parentRefs": []any{map[string]any{"name": "public"}}, "hostnames": []any{fmt.Sprintf("h%d.example.com", i)},
				"rules": []any{map[string]any{
					"matches": []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/api"}}},
					"filters": []any{map[string]any{"type": "URLRewrite", "urlRewrite": rewrite}}, "backendRefs": backends,
				}, map[string]any{"backendRefs": backends}},
			},
		})
	}

	return docs
}

// TestManyRoutesOfEnvoyGateway holds that eight times the routes, each of which is a workload there, take some eight times
// the CPU time. It was 40 times when each workload was looked for among all.
func TestManyRoutesOfEnvoyGateway(t *testing.T) {
	measure := func(n int) time.Duration { return leastCPU(t, manyRoutes(n), Options{}, "- name: r", n) }
	few, all := measure(500), measure(4000)
	t.Logf("500 HTTPRoutes: %v of CPU; 4,000: %v", few, all)
	if all > 20*few {
		t.Errorf("eight times the routes took %.0f times as long", float64(all)/float64(few))
	}
}

// leastCPU is the CPU time that the quickest of three imports takes. Each gives
// so many patterns whose names begin so, and loses nothing.
func leastCPU(t *testing.T, docs []map[string]any, o Options, name string, want int) time.Duration {
	t.Helper()

	best := time.Hour
	for range 3 {
		start := cpu(t)
		r, err := Convert(docs, o)
		if err != nil {
			t.Fatal(err)
		}

		best = min(best, cpu(t)-start)
		if patterns := bytes.Count(r.Values, []byte(name)); patterns != want || !r.Report.Complete() {
			t.Fatalf("%d patterns, want %d; complete: %t", patterns, want, r.Report.Complete())
		}
	}

	return best
}

// cpu is the CPU time of this process so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestOneServiceOfMany holds that more patterns than one filter takes are
// shared out by host, and none is lost.
func TestOneServiceOfMany(t *testing.T) {
	docs := many(1000)
	for _, doc := range docs {
		for _, p := range doc["spec"].(map[string]any)["rules"].([]any)[0].(map[string]any)["http"].(map[string]any)["paths"].([]any) {
			p.(map[string]any)["backend"].(map[string]any)["service"].(map[string]any)["name"] = "one"
		}
	}

	r, err := Convert(docs, Options{Waypoint: true})
	if err != nil {
		t.Fatal(err)
	}
	if patterns := bytes.Count(r.Values, []byte("- name: i")); patterns != 5000 || !r.Report.Complete() {
		t.Fatalf("%d patterns", patterns)
	}

	for _, i := range []int{0, 499, 999} {
		found := slices.ContainsFunc([]string{"one", "one-2"}, func(workload string) bool {
			seen := run(t, r.Values, workload, exchange.Request("GET", "http", "h"+strconv.Itoa(i)+".example.com", "/p3/x", nil), exchange.Response(200, nil))
			return seen.Upstream != nil && exchange.Value(*seen.Upstream, ":path") == "/x"
		})
		if !found {
			t.Errorf("no workload rewrites for h%d.example.com", i)
		}
	}
}
