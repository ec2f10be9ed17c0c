package mesh_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// routeRequest is one request to a host of a set.
type routeRequest struct {
	set                        int
	kind, method, host, target string
	headers                    []rewrite.Header
}

func (q routeRequest) String() string {
	text := fmt.Sprintf("%s, %s http://%s%s", q.kind, q.method, q.host, q.target)
	for _, h := range q.headers {
		text += " " + h.Name + "=" + h.Value
	}
	return text
}

// requestsTo gives some requests to every host.
func requestsTo(sets []routeSet, each int) (all []routeRequest) {
	for i, set := range sets {
		g := routeGenerator{Rand: rand.New(rand.NewPCG(set.seed, 6))}
		for _, host := range set.hosts {
			for range each {
				all = append(all, g.request(i, set.kind, strings.Replace(host, "*", "w.x", 1)))
			}
		}
	}
	return all
}

// ofRequest is the port that some requests have in their host, and no redirect of its own.
const ofRequest = "8080"

func (g routeGenerator) request(set int, kind, host string) routeRequest {
	q := routeRequest{set: set, kind: kind, host: host, method: "GET"}
	if g.chance(8) {
		q.method = "POST"
	}
	if g.chance(8) {
		q.host += ":" + ofRequest
	}

	q.target = g.of("/", "/app", "/app/", "/app/x", "/app/x/y", "/appx", "/app/v1", "/app/v1/", "/app//x", "/api", "/api/", "/api/v1/x", "/api/v1/x/y",
		"/API/x", "/APP", "/v2/x/", "/x/y", "/other", "/o/o/o") +
		g.of("", "", "?a=b", "?v=2", "?v=3&c=/")
	for _, one := range [][]string{
		{"x-env", "blue", "green"}, {"x-user", "blue", "me"}, {"x-answer-x-up", "1"}, {"x-answer-x-site", "up"},
		// What a gateway sets where it rewrote: a client may say it, too.
		{"x-envoy-original-path", "/x", "/app"},
	} {
		if g.chance(3) {
			q.headers = append(q.headers, rewrite.Header{Name: one[0], Value: g.of(one[1:]...)})
		}
	}

	return q
}

// routeAnswer is what a client and the backend saw of a request.
type routeAnswer struct {
	Status   string
	Location string
	Body     string              // of an answer that is not the backend's
	Response map[string][]string // headers of the answer
	Name     string              // of the backend, and what it got
	Target   string
	Host     string
	Request  map[string][]string
}

// answers asks with four clients, each over a connection of its own.
func (r *routed) answers(asked []routeRequest) []routeAnswer {
	r.Helper()

	all, faults := make([]routeAnswer, len(asked)), make([]error, 4)

	var clients sync.WaitGroup
	for client := range faults {
		clients.Go(func() {
			connections := map[string]*wire.Conn{}
			defer func() {
				for _, c := range connections {
					c.Close()
				}
			}()

			for i := client; i < len(asked); i += len(faults) {
				if all[i], faults[client] = r.ask(connections, asked[i]); faults[client] != nil {
					return
				}
			}
		})
	}
	clients.Wait()

	for _, err := range faults {
		if err != nil {
			r.Fatal(err)
		}
	}

	return all
}

// ask sends a request, over a new connection where the gateway ended the last one.
func (r *routed) ask(connections map[string]*wire.Conn, q routeRequest) (routeAnswer, error) {
	request := wire.Message{Start: q.method, Target: q.target, Headers: append([]rewrite.Header{{Name: ":authority", Value: q.host}}, q.headers...)}

	var err error
	for range 2 {
		c := connections[q.kind]
		if c == nil {
			if c, err = wire.Dial(r.Context(), wire.HTTP1, r.at[q.kind]); err != nil {
				return routeAnswer{}, err
			}

			connections[q.kind] = c
		}
		var m wire.Message
		if m, err = c.Exchange(request); err == nil {
			if m.Values("connection") != nil {
				c.Close()
				delete(connections, q.kind)
			}
			return routeAnswerOf(m)
		}
		c.Close()
		delete(connections, q.kind)
	}

	return routeAnswer{}, fmt.Errorf("%v: %w", q, err)
}

func routeAnswerOf(m wire.Message) (routeAnswer, error) {
	a := routeAnswer{Status: m.Start, Location: strings.Join(m.Values("location"), ","), Response: map[string][]string{}, Request: map[string][]string{}}
	for _, name := range []string{"x-up", "x-site", "x-more"} {
		if values := m.Values(name); values != nil {
			a.Response[name] = values
		}
	}
	if m.Values("x-echo") == nil {
		a.Body = m.Body
		return a, nil
	}
	var got struct {
		Name, Target, Host string
		Headers            map[string][]string
	}
	if err := json.Unmarshal([]byte(m.Body), &got); err != nil {
		return a, fmt.Errorf("the backend said %q: %w", m.Body, err)
	}

	a.Name, a.Target, a.Host = got.Name, got.Target, got.Host
	for _, name := range []string{"X-User", "X-Route", "X-Env"} {
		if values := got.Headers[name]; values != nil {
			a.Request[name] = values
		}
	}

	return a, nil
}

var slashes, twoPorts = regexp.MustCompile("//+"), regexp.MustCompile(":[0-9]+(:[0-9]+)")

// differs says how an answer differs from the wanted one, but for the differences that docs/moving-in.md names.
// While the old routes and the rules are both in force, a path that was not changed does not show what was done to headers.
func differs(when stage, q routeRequest, got, want routeAnswer) string {
	// Who says to have been rewritten is not, while something is moving.
	if when.moving && slices.ContainsFunc(q.headers, func(h rewrite.Header) bool { return h.Name == "x-envoy-original-path" }) {
		return ""
	}

	// Where Istio joins to two slashes, the rules send one.
	plain := func(a routeAnswer) routeAnswer {
		path, query, asks := strings.Cut(a.Target, "?")
		a.Target = slashes.ReplaceAllString(path, "/")
		if asks {
			a.Target += "?" + query
		}
		// Istio writes both the port of an authority and that of the redirect.
		a.Location = twoPorts.ReplaceAllString(a.Location, "$1")
		if u, err := url.Parse(a.Location); err == nil && a.Location != "" {
			u.Path = slashes.ReplaceAllString(u.Path, "/")
			// A redirect that names a scheme, host or port keeps no port of the request.
			u.Host = strings.TrimSuffix(u.Host, ":"+ofRequest)
			a.Location = u.String()
		}
		// Whether two values are in one line or two is not told apart.
		for _, of := range []map[string][]string{a.Request, a.Response} {
			for name, values := range of {
				of[name] = slices.DeleteFunc(strings.Split(strings.Join(values, ","), ","), func(s string) bool { return s == "" })
			}
		}
		if when.moving && when.old && want.Target == q.target {
			a.Request, a.Response = nil, nil
		}

		return a
	}
	if a, b := fmt.Sprintf("%+v", plain(got)), fmt.Sprintf("%+v", plain(want)); a != b {
		return fmt.Sprintf("  istiod: %s\n  rules:  %s", b, a)
	}

	return ""
}

// checkVariety wants enough of each kind of answer, so that equal ones show something.
func checkVariety(t *testing.T, answers []routeAnswer) {
	t.Helper()

	counts := map[string]int{}
	for _, a := range answers {
		switch {
		case a.Location != "":
			counts["redirected"]++
		case a.Name == "":
			counts["answered "+a.Status]++
		default:
			counts["sent to "+a.Name]++
		}
		if len(a.Request)+len(a.Response) > 0 {
			counts["with headers"]++
		}
	}
	t.Logf("%d requests: %v", len(answers), counts)

	for _, kind := range []string{"redirected", "answered 410", "answered 404", "sent to s0", "sent to s1", "sent to s2", "with headers"} {
		if counts[kind] < 20 {
			t.Errorf("only %d requests were %s: the test shows little", counts[kind], kind)
		}
	}
}
