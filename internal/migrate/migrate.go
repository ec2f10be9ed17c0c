// Package migrate turns the rewrites of others into values of the chart:
// annotations of ingress-nginx, VirtualService, HTTPRoute. What it cannot carry
// over, it names.
package migrate

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	kyaml "sigs.k8s.io/yaml"

	istio "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Left is something that was not carried over.
type Left struct {
	Object string `json:"object"` // kind namespace/name
	Path   string `json:"path"`   // spec.http[0].mirror
	Reason string `json:"reason"` // why, and what to do instead
}

// Result is what became of objects.
type Result struct {
	Values []byte // values of the chart, as YAML; empty where nothing was carried over
	Left   []Left
	Read   int // objects that could hold rewrites
}

// Options say how objects are carried over.
type Options struct {
	// Selector are the labels of the Pods whose proxies run rules that are of no
	// Gateway; by default those of Istio's ingress gateway.
	Selector map[string]string
}

// Convert carries objects over. docs are the YAML documents, each one object.
func Convert(docs []map[string]any, o Options) (*Result, error) {
	m := &migration{options: o}
	if m.options.Selector == nil {
		m.options.Selector = map[string]string{"istio": "ingressgateway"}
	}
	for _, doc := range docs {
		if err := m.object(doc); err != nil {
			return nil, err
		}
	}
	values, err := m.values()
	if err != nil {
		return nil, err
	}
	return &Result{values, m.left, m.read}, nil
}

type migration struct {
	options   Options
	workloads []*workload
	left      []Left
	read      int
	at        string // the object at hand
}

// workload collects the rules of what one gateway or selection of Pods runs.
type workload struct {
	name    string
	wanted  string // name but for the number that makes it unique
	target  fields // namespace and selector or targetRefs
	entries []entry
}

// entry is a pattern in the making.
type entry struct {
	object, path string // where it comes from
	order        []int  // of HTTPRoutes: what comes first is tried first; equal: as written
	match        fields
	action       fields
	headers      fields
}

// fields is a YAML mapping whose keys stay in order.
type fields []field

type field struct {
	key   string
	value any
}

func (f fields) with(key string, value any) fields {
	switch v := value.(type) {
	case nil:
		return f
	case string:
		if v == "" {
			return f
		}
	case fields:
		if len(v) == 0 {
			return f
		}
	case []any:
		if len(v) == 0 {
			return f
		}
	}
	return append(f, field{key, value})
}

func (f fields) get(key string) any {
	for _, one := range f {
		if one.key == key {
			return one.value
		}
	}
	return nil
}

// MarshalYAML keeps the order of the keys, and short mappings on one line.
func (f fields) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, one := range f {
		var key, value yaml.Node
		if err := key.Encode(one.key); err != nil {
			return nil, err
		}
		if err := value.Encode(one.value); err != nil {
			return nil, err
		}
		switch one.key {
		case "match", "rewrite", "redirect", "respond", "headers", "selector":
			value.Style = yaml.FlowStyle
		}
		n.Content = append(n.Content, &key, &value)
	}
	return n, nil
}

func (m *migration) leave(path, reason string, args ...any) {
	l := Left{m.at, path, fmt.Sprintf(reason, args...)}
	if !slices.Contains(m.left, l) {
		m.left = append(m.left, l)
	}
}

func (m *migration) object(doc map[string]any) error {
	kind, _ := doc["kind"].(string)
	meta, _ := doc["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if namespace, ok := meta["namespace"].(string); ok && namespace != "" {
		name = namespace + "/" + name
	}
	m.at = kind + " " + name
	if items, ok := doc["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		for _, item := range items {
			if item, ok := item.(map[string]any); ok {
				if err := m.object(item); err != nil {
					return err
				}
			}
		}
		return nil
	}
	text, err := kyaml.Marshal(doc)
	if err != nil {
		return err
	}
	read := func(into any) error {
		m.read++
		if err := kyaml.Unmarshal(text, into); err != nil {
			return fmt.Errorf("%s: is not as its API wants it: %w", m.at, err)
		}
		return nil
	}
	switch kind {
	case "Ingress":
		var o networking.Ingress
		if err := read(&o); err != nil {
			return err
		}
		m.ingress(&o)
	case "VirtualService":
		var o istio.VirtualService
		if err := read(&o); err != nil {
			return err
		}
		m.virtualService(&o)
	case "HTTPRoute":
		var o gateway.HTTPRoute
		if err := read(&o); err != nil {
			return err
		}
		m.httpRoute(&o)
	}
	return nil
}

// workload gives the workload of a target, making it where needed, under name
// or, where another target has that, one that begins so.
func (m *migration) workload(name string, target fields) *workload {
	name = strings.Trim(notName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	same := 0
	for _, w := range m.workloads {
		if w.wanted != name {
			continue
		}
		if same++; reflect.DeepEqual(w.target, target) {
			return w
		}
	}
	w := &workload{name: name, wanted: name, target: target}
	if same > 0 {
		w.name += "-" + strconv.Itoa(same+1)
	}
	m.workloads = append(m.workloads, w)
	return w
}

func (m *migration) selected(name string) *workload {
	labels := fields{}
	for _, key := range sorted(m.options.Selector) {
		labels = append(labels, field{key, m.options.Selector[key]})
	}
	return m.workload(name, fields{{"selector", labels}})
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// stays is what a pattern does that stands only for a route without rules of
// its own, so that the ones after it do not take its requests. No request has
// this header.
var stays = fields{{"request", fields{{"remove", []any{"x-wasm-rewrite-stays"}}}}}

// values writes the workloads. A pattern that the engine refuses is left out
// and named.
func (m *migration) values() ([]byte, error) {
	all := fields{}
	for _, w := range m.workloads {
		slices.SortStableFunc(w.entries, func(a, b entry) int { return slices.Compare(b.order, a.order) })
		// A route without rules is of interest only before one with rules.
		for len(w.entries) > 0 {
			last := w.entries[len(w.entries)-1]
			if last.action != nil || last.headers != nil {
				break
			}
			w.entries = w.entries[:len(w.entries)-1]
		}
		var patterns []any
		names := map[string]int{}
		for _, e := range w.entries {
			p, err := m.pattern(e, names)
			if err != nil {
				return nil, err
			}
			if p != nil {
				patterns = append(patterns, p)
			}
		}
		if len(patterns) > 0 {
			all = append(all, field{w.name, append(slices.Clone(w.target), field{"patterns", patterns})})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(fields{{"workloads", all}}); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

func (m *migration) pattern(e entry, names map[string]int) (fields, error) {
	name := strings.Trim(notName.ReplaceAllString(strings.ToLower(e.object[strings.LastIndexAny(e.object, " /")+1:]), "-"), "-")
	if len(name) > 50 {
		name = name[:50]
	}
	headers := e.headers
	if e.action == nil && headers == nil {
		name, headers = name+"-stays", stays
	}
	if names[name]++; names[name] > 1 {
		name += "-" + strconv.Itoa(names[name])
	}
	p := fields{{"name", name}}.with("match", e.match)
	p = append(p, e.action...).with("headers", headers)
	text, err := yaml.Marshal(fields{{"patterns", []any{p}}})
	if err != nil {
		return nil, err
	}
	config, err := kyaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	_, err = rewrite.Load(config)
	var faults rewrite.Errors
	if errors.As(err, &faults) {
		for _, one := range faults {
			m.left = append(m.left, Left{e.object, e.path, strings.TrimPrefix(one.Error(), "patterns[0].")})
		}
		return nil, nil
	}
	return p, err
}

// literal writes text so that it holds no reference.
func literal(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "$", "$$")
}

func sorted[V any](of map[string]V) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// host gives the matcher of a host, with * as its first label or alone.
func host(name string) fields {
	if name == "*" || name == "" {
		return nil
	}
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		return fields{{"suffix", suffix}}
	}
	return fields{{"exact", name}}
}

// hosts gives one matcher for any of several hosts.
func hosts(names []string) fields {
	if len(names) == 0 || slices.Contains(names, "*") {
		return nil
	}
	if len(names) == 1 {
		return host(names[0])
	}
	exprs := make([]string, len(names))
	for i, name := range names {
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			exprs[i] = ".+" + regexp.QuoteMeta(suffix)
		} else {
			exprs[i] = regexp.QuoteMeta(name)
		}
	}
	return fields{{"regex", "^(?:" + strings.Join(exprs, "|") + ")$"}}
}

// redirectTo cuts an absolute URL into the keys of redirect.
func redirectTo(url string) (to fields, ok bool) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return nil, false
	}
	authority, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	name, port, _ := strings.Cut(authority, ":")
	to = fields{{"scheme", scheme}, {"host", literal(name)}}
	if n, err := strconv.Atoi(port); err == nil {
		to = append(to, field{"port", n})
	}
	return append(to, field{"path", literal(path)}, field{"replace", "whole"}), true
}
