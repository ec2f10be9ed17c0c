package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// scenario is what is measured side by side, in one Envoy.
type scenario struct {
	name  string // a key in the results
	short string // its name within a sentence
	title string
	// connections are kept busy, each with one request at a time.
	connections int
	targets     []target
	during      time.Duration
}

// target is a contender with a work, and the requests that it gets.
type target struct {
	contender contender
	label     string // the contender's name, unless a scenario has several of it
	patterns  int    // how many, where that is what is varied
	matches   bool
	work      work
	request   request
	// becomes is the path that the upstream must see.
	becomes string
}

type request struct {
	path    string
	headers [][2]string
}

// browser is what a client sends in addition to method, path and host.
var browser = [][2]string{
	{"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
	{"accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{"accept-language", "en-US,en;q=0.5"},
	{"accept-encoding", "gzip, deflate, br"},
	{"cookie", "session=7c9e6679-7425-40de-944b-e07fc1f90ae7"},
}

var seedWork = work{
	patterns: []pattern{{"regex", "banana/([0-9]*)", "status/$1"}},
	response: operations{set: map[string]string{
		"who-am-i": "go-wasm-demo", "injected-by": "istio-api!", "site": "youdianzhishi.com", "author": "陽明", "configdata": configText,
	}},
}

// everybody is every contender.
func everybody() (names []string) {
	for _, c := range contenders {
		names = append(names, c.name)
	}

	return names
}

// withoutLogs leaves out whoever writes a log for each request.
func withoutLogs() []string {
	return slices.DeleteFunc(everybody(), func(name string) bool { return name == logging })
}

// general are the contenders that can do any work.
func general() []string {
	return append([]string{baseline, baselineAgain, native, empty, emptyDefault, ours, sdkStreams, lua, rust}, otherBuilds()...)
}

// between are the contenders where builds of the filter are compared.
func between() []string {
	return append([]string{baseline, baselineAgain, empty, ours, lua, rust}, otherBuilds()...)
}

func side(names []string, w work, r request, becomes string) []target {
	var list []target
	for _, name := range names {
		list = append(list, target{contender: find(name), label: name, matches: becomes != r.path, work: w, request: r, becomes: becomes})
	}
	return list
}

func seedScenario(names []string, connections int, during time.Duration) scenario {
	s := scenario{
		name: "seed", short: "the seed's scenario", title: "The seed's scenario: one regex on the path, five response headers",
		connections: connections, during: during,
		targets: side(names, seedWork, request{"/banana/418", browser}, "/status/418"),
	}
	if connections != 8 {
		s.name = fmt.Sprintf("seed-%d", connections)
		s.short = fmt.Sprintf("%s with %d connections", s.short, connections)
		s.title = fmt.Sprintf("%s; %d connections", s.title, connections)
	}

	return s
}

func noMatchScenario(names []string, during time.Duration) scenario {
	w := work{patterns: seedWork.patterns}
	r := request{"/apple/418", browser}
	return scenario{
		name: "no-match", short: "no match", title: "No pattern matches, nothing to do: one regex on the path", connections: 8, during: during,
		targets: side(names, w, r, r.path),
	}
}

func headersScenario(during time.Duration) scenario {
	w := work{
		request: operations{
			remove: []string{"x-debug"},
			set:    map[string]string{"x-tenant": "blue", "x-env": "production"},
		},
		response: operations{remove: []string{"x-powered-by"}, set: map[string]string{"x-frame-options": "DENY"}},
	}
	r := request{"/apple/418", append([][2]string{{"x-debug", "1"}, {"x-env", "test"}}, browser...)}

	return scenario{
		name: "headers", short: "five header operations", title: "Five header operations, no pattern", connections: 8, during: during,
		targets: side(general(), w, r, r.path),
	}
}

func fortyScenario(during time.Duration) scenario {
	r := request{"/banana/418", browser}
	for i := len(browser) + 1; i < 40; i++ { // the host is one of them
		r.headers = append(r.headers, [2]string{"x-header-" + strconv.Itoa(i), "the value of header " + strconv.Itoa(i)})
	}
	return scenario{
		name: "forty", short: "a request of 40 headers", title: "The seed's scenario, a request of 40 headers", connections: 8, during: during,
		targets: side(general(), seedWork, r, "/status/418"),
	}
}

// manyScenario: cost against the number of patterns of a kind.
func manyScenario(kind string, names []string, counts []int, during time.Duration) scenario {
	s := scenario{
		name: "many-" + kind, short: kind + " patterns", title: "Number of patterns: " + kind, connections: 8, during: during,
		targets: side([]string{baseline, baselineAgain}, work{}, request{"/nothing/418", browser}, "/nothing/418"),
	}
	for _, name := range names {
		for _, n := range counts {
			patterns := many(kind, n)
			last, becomes := patterns[n-1].example()
			s.targets = append(s.targets,
				target{find(name), fmt.Sprintf("%s, %d, last matches", name, n), n, true, work{patterns: patterns}, request{last, browser}, becomes},
				target{find(name), fmt.Sprintf("%s, %d, none matches", name, n), n, false, work{patterns: patterns}, request{"/nothing/418", browser}, "/nothing/418"},
			)
		}
	}

	return s
}
