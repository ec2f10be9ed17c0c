package test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/nginx"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// ingressServices are the backends of generated Ingresses.
var ingressServices = []string{"s0", "s1", "s2", "s3"}

// ingressSeeds are those of which a difference came once. They stay.
var ingressSeeds = []uint64{
	1, 2, 3, 3982212768734358119, 125314863297179212, 4825462770201604539, 3580660527908940164, 460259976965097962, 17556466793458448907, 2411670109399234574,
	5521891738099285602, 12488970728467087985, 8605511711083318150, 768651469347723393, 16863788952304193207, 13679173335150103181,
}

// importSeed picks the other objects; go test ./test -run Nginx -import-seed 7 tries other ones.
var importSeed = flag.Uint64("import-seed", 1, "seed of the generated Ingresses of which no difference is known")

// TestImportedIngressesDoAsNginx sends the same requests to a real nginx, with
// the locations that ingress-nginx writes for generated Ingresses, and to a
// gateway and sidecars of real Envoys, with their routes and the imported
// rules: the same backend gets the same path, host and headers, or the client
// the same redirect.
func TestImportedIngressesDoAsNginx(t *testing.T) {
	const (
		sets     = 100 // Ingresses that share hosts
		requests = 12  // a host
	)
	var all []*networking.Ingress
	seeds := slices.Clone(ingressSeeds)

	more := rand.New(rand.NewPCG(*importSeed, 3))
	for len(seeds) < sets {
		seeds = append(seeds, more.Uint64())
	}

	bySet := map[string]uint64{}
	for i, seed := range seeds {
		g := ingressGenerator{random{rand.New(rand.NewPCG(seed, 1))}, i}
		if set := g.ingresses(); nginx.Accepts(nginx.Servers(set)) {
			all = append(all, set...)
		}

		bySet[fmt.Sprintf(".set%d.example.com", i)] = seed
	}

	servers := nginx.Servers(all)

	services := map[string]string{}
	for _, name := range ingressServices {
		services[name] = backend(t, name)
	}

	theirs := nginx.MustStart(t, made.File(t, "build/bin/nginx"), servers, services)
	ours := importedGateway(t, all, servers, services)

	g := random{rand.New(rand.NewPCG(seeds[0], 2))}

	counts := map[string]int{}
	for _, s := range servers {
		for range requests {
			request := ingressRequest(g, s)
			us, them := exchange(t, ours, request), exchange(t, theirs, request)
			kind, same := sameAnswer(us, them, request.Target, request.Headers[0].Value)
			counts[kind]++
			if !same {
				seed := bySet[s.Host[strings.IndexByte(s.Host, '.'):]]
				t.Errorf("seed %d: %s %v\n  nginx: %s\n  rules: %s\n%s", seed, request.Target, request.Headers, shown(them), shown(us), ingressesOf(all, s.Host))
			}
		}
	}
	t.Logf("%d Ingresses, %d hosts: %v", len(all), len(servers), counts)

	for _, kind := range []string{"rewritten", "as it was", "redirected"} {
		if counts[kind] < 20 {
			t.Errorf("only %d requests were %s: the test shows little", counts[kind], kind)
		}
	}
}

// backend is a Service that answers with its name and what it got. What a
// request's x-answer-… headers say is in the answer.
func backend(t *testing.T, name string) string {
	t.Helper()

	u, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		answer := wire.Message{Start: "200", Body: name}
		for _, h := range request.Headers {
			switch strings.ToLower(h.Name) {
			case ":authority", "host":
				answer.Headers = append(answer.Headers, rewrite.Header{Name: "x-got-host", Value: h.Value})
			case "x-forwarded-prefix":
				answer.Headers = append(answer.Headers, rewrite.Header{Name: "x-got-prefix", Value: h.Value})
			case "x-answer-location":
				answer.Headers = append(answer.Headers, rewrite.Header{Name: "location", Value: h.Value})
			case "x-answer-cookie":
				answer.Headers = append(answer.Headers, rewrite.Header{Name: "set-cookie", Value: h.Value})
			}
		}

		answer.Headers = append(answer.Headers, rewrite.Header{Name: "x-got-path", Value: request.Target})

		return answer
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })

	return u.Address
}

// ingressObjects are the Ingresses and the Services of their backends and of
// the gateway.
func ingressObjects(t *testing.T, all []*networking.Ingress) (docs []map[string]any) {
	t.Helper()

	for _, o := range all {
		docs = append(docs, plainObject(t, o))
	}

	service := func(name, namespace string, selector map[string]any) {
		docs = append(docs, map[string]any{"apiVersion": "v1", "kind": "Service",
			"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": map[string]any{"selector": selector}})
	}
	for _, name := range ingressServices {
		service(name, "", map[string]any{"app": name})
	}
	service("gateway", "gateways", map[string]any{"istio": "ingressgateway"})

	return docs
}

// importedGateway imports the Ingresses and starts a gateway with their routes,
// and for each Service a sidecar: each with the rules that are for it.
func importedGateway(t *testing.T, all []*networking.Ingress, servers []nginx.Server, services map[string]string) string {
	t.Helper()

	imported, err := migrate.Convert(ingressObjects(t, all), migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}

	// Rules that answer 400 where nginx serves are asked about; the requests show the rest.
	for _, o := range imported.Report.Objects {
		for _, f := range o.Findings {
			asked := f.Kind == plan.KindQuestion && !strings.Contains(f.Reason, "is answered 400")
			if f.Kind == plan.KindLeft || asked {
				t.Fatalf("%s: %s: %s: Ingresses that have counterparts for everything", o.Name, f.Path, f.Reason)
			}
		}
	}

	var values struct {
		Workloads map[string]map[string]any `json:"workloads"`
	}
	if err := yaml.Unmarshal(imported.Values, &values); err != nil {
		t.Fatal(err)
	}

	filter := func(workload string) []envoy.Filter {
		config := compactJSON(t, map[string]any{"patterns": values.Workloads[workload]["patterns"]})
		return []envoy.Filter{plugin(t, workload, config)}
	}
	larger := map[string]any{"layered_runtime": map[string]any{"layers": []any{
		map[string]any{"name": "size", "static_layer": map[string]any{"re2.max_program_size.error_level": 10000, "re2.max_program_size.warn_level": 10000}},
	}}}

	var sidecars []envoy.Listener
	for _, name := range ingressServices {
		sidecars = append(sidecars, envoy.Listener{Name: name, Filters: filter(name), Upstream: services[name]})
	}

	inner := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: sidecars})
	if reasons, err := inner.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	addresses := map[string]string{}

	var listeners []envoy.Listener
	for _, name := range ingressServices {
		addresses[name] = address(inner, name)
		// A listener that nobody calls makes the cluster known.
		listeners = append(listeners, envoy.Listener{Name: "to-" + name, Upstream: addresses[name]})
	}

	listeners = append(listeners, envoy.Listener{Name: "gateway", Filters: filter("gateway"), Upstream: addresses["s0"], Routes: routesOf(servers, addresses)})
	outer := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: listeners, Bootstrap: larger})
	if reasons, err := outer.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	return address(outer, "gateway")
}

func plainObject(t *testing.T, o any) map[string]any {
	t.Helper()

	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}

	return plain
}

// routesOf are the routes that someone writes who moves the locations of nginx
// to a gateway, without rewrites.
func routesOf(servers []nginx.Server, addresses map[string]string) (routes []map[string]any) {
	// Of two servers of one name nginx takes the first; a name counts before a
	// wildcard.
	taken := map[string]string{}
	for _, s := range servers {
		for _, alias := range s.Aliases {
			taken[alias] = cmp.Or(taken[alias], s.Host)
		}
	}

	servers = slices.Clone(servers)
	slices.SortStableFunc(servers, func(a, b nginx.Server) int { return strings.Count(a.Host, "*") - strings.Count(b.Host, "*") })

	for _, s := range servers {
		hosts := []string{regexp.QuoteMeta(s.Host)}
		if rest, ok := strings.CutPrefix(s.Host, "*"); ok {
			hosts = []string{`[a-zA-Z0-9_-]+` + regexp.QuoteMeta(rest)}
		}

		for _, alias := range s.Aliases {
			if taken[alias] == "" || taken[alias] == s.Host {
				hosts = append(hosts, regexp.QuoteMeta(alias))
			}
		}

		host := []any{map[string]any{"name": ":authority", "string_match": map[string]any{"safe_regex": map[string]any{"regex": "(?:" +
			strings.Join(hosts, "|") + ")(?::[0-9]+)?"}}}}
		locations := slices.Clone(s.Locations)
		if len(locations) > 0 && !locations[0].Regex {
			slices.SortStableFunc(locations, func(a, b nginx.Location) int {
				if a.Exact != b.Exact {
					return map[bool]int{true: -1, false: 1}[a.Exact]
				}
				return len(b.Path) - len(a.Path)
			})
		}

		for _, l := range locations {
			match := map[string]any{"headers": host}
			switch {
			case l.Regex:
				match["safe_regex"] = map[string]any{"regex": "(?i)" + l.Path + ".*"}
			case l.Exact:
				match["path"] = l.Path
			default:
				match["prefix"] = l.Path
			}

			route := map[string]any{"match": match}
			if l.Service == "" {
				route["direct_response"] = map[string]any{"status": 404}
			} else {
				route["route"] = map[string]any{"cluster": addresses[l.Service]}
			}

			routes = append(routes, route)
		}
	}

	return routes
}

// exchange sends a request on a connection of its own: nginx and Envoy close
// theirs after different answers.
func exchange(t *testing.T, address string, request wire.Message) wire.Message {
	t.Helper()
	response, err := wire.Exchange(t.Context(), wire.HTTP1, address, request)
	if err != nil {
		t.Fatalf("%s: %v", request.Target, err)
	}
	return response
}

func firstOf(m wire.Message, name string) string {
	if values := m.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

func shown(m wire.Message) string {
	return fmt.Sprintf("%s %s path %q host %q prefix %q location %q cookie %q", m.Start, strings.TrimSpace(m.Body[:min(len(m.Body), 10)]),
		firstOf(m, "x-got-path"), firstOf(m, "x-got-host"),
		firstOf(m, "x-got-prefix"), firstOf(m, "location"), firstOf(m, "set-cookie"))
}

// sameAnswer compares two answers, but for the differences that
// docs/moving-in.md names.
func sameAnswer(us, them wire.Message, target, host string) (kind string, same bool) {
	path, _, _ := strings.Cut(target, "?")
	switch {
	case them.Start == "200":
		kind = "as it was"
		got := firstOf(them, "x-got-path")
		if got != target {
			kind = "rewritten"
		}
		// The rules send one slash where nginx sends two, and refuse what would begin with more.
		if strings.HasPrefix(got, "///") && us.Start == "400" {
			return "refused by the rules", true
		}
		if strings.HasPrefix(got, "//") {
			got = "/" + strings.TrimLeft(got, "/")
		}

		same = us.Start == "200" && us.Body == them.Body && plainQuery(firstOf(us, "x-got-path")) == plainQuery(got)
		for _, name := range []string{"x-got-host", "x-got-prefix", "location", "set-cookie"} {
			same = same && absolute(oneSlashed(name, us), host) == absolute(oneSlashed(name, them), host)
		}
	case strings.HasPrefix(them.Start, "3"):
		kind = "redirected"
		location := firstOf(them, "location")
		if u, err := url.Parse(location); err == nil && them.Start == "301" && u.Path == path+"/" && us.Start != "301" {
			return "nginx adds a slash", true
		}

		same = us.Start == them.Start && plainAddress(firstOf(us, "location")) == plainAddress(location)
	default:
		kind = "refused"
		same = us.Start == them.Start
	}

	return kind, same
}

// plainQuery decodes the slashes of a query: what the rules put into a query is
// encoded, what nginx puts there is not.
func plainQuery(target string) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	return path + "?" + strings.ReplaceAll(query, "%2F", "/")
}

// oneSlashed gives a header of nginx's answer. The prefix that it forwards has
// the slashes of a group, of which the rules have one.
func oneSlashed(name string, m wire.Message) string {
	value := firstOf(m, name)
	if name == "x-got-prefix" && strings.HasPrefix(value, "//") {
		return "/" + strings.TrimLeft(value, "/")
	}
	return value
}

// absolute writes a Location that begins with / as nginx does where it changed
// it: with scheme and host.
func absolute(location, host string) string {
	name, _, _ := strings.Cut(host, ":")
	if strings.HasPrefix(location, "/") {
		return "http://" + name + location
	}
	return location
}

// plainAddress writes an address so that equal ones are the same text.
func plainAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	// The rules send one slash where nginx sends two.
	u.Path = "/" + strings.TrimLeft(u.Path, "/")
	u.RawQuery = strings.ReplaceAll(u.RawQuery, "%2F", "/")
	if port := u.Port(); port == "80" && u.Scheme == "http" || port == "443" && u.Scheme == "https" {
		u.Host = u.Hostname()
	}

	return u.String()
}

// ingressesOf shows the Ingresses of a host.
func ingressesOf(all []*networking.Ingress, host string) string {
	var b strings.Builder

	set := host[strings.IndexByte(host, '.'):]
	for _, o := range all {
		if strings.HasSuffix(o.Spec.Rules[0].Host, set) {
			text, _ := yaml.Marshal(o)
			b.Write(text)
			b.WriteString("---\n")
		}
	}

	return b.String()
}
