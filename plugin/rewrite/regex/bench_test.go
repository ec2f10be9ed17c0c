package regex_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

// benchmarks are regexes as people write them, each with a text that fits and
// one that does not.
var benchmarks = []struct{ name, expr, fits, misses string }{
	{"sequence", `banana/([0-9]*)`, "/shop/banana/418", "/shop/apples/and/pears"},
	{"anchored", `^/api/v[0-9]+/([^/]+)/(.*)$`, "/api/v2/users/17/orders", "/api/users/17/orders"},
	{"ingress", `^/app(/|$)(.*)`, "/app/assets/main.css", "/application/x"},
	{"alternatives", `^/(users|orders|carts)/([0-9]+)(?:/(view|edit))?$`, "/orders/8125/edit", "/orders/8125/remove"},
	{"backwards", `^(.*)/edit$`, "/users/17/profile/edit", "/users/17/profile/view"},
	{"nocase", `(?i)/([a-z]+)/17/(view|edit)$`, "/shop/Item/17/VIEW", "/shop/Item/18/VIEW"},
	{"unanchored", `([a-z]+)\.example\.(com|org)`, "tenant.example.org", "tenant.example.net"},
	{"lazy", `^/(.*?)/x/(.*)$`, "/a/b/c/x/d", "/a/b/c/y/d"},
	{"nested", `(?:[a-z]+-?)+[0-9]`, "ab-cd-ef-7", "ab-cd-ef-gh"},
}

func BenchmarkFind(b *testing.B) {
	for _, c := range benchmarks {
		r, reason := regex.Compile(c.expr, false)
		if reason != "" {
			b.Fatal(reason)
		}

		re := regexp.MustCompile(c.expr)
		loc := make([]int, 2*(r.Groups()+1))

		m := &regex.Machine{}
		for what, text := range map[string]string{"fits": c.fits, "misses": c.misses, "long": strings.Repeat(c.misses, 400)} {
			b.Run(c.name+"/"+what+"/own", func(b *testing.B) {
				steps := 0
				for b.Loop() {
					steps = plenty
					m.Find(r, &steps, text, 0, loc)
				}
				b.ReportMetric(float64(plenty-steps), "steps")
			})
			b.Run(c.name+"/"+what+"/regexp", func(b *testing.B) {
				for b.Loop() {
					re.FindStringSubmatchIndex(text)
				}
			})
		}
	}
}
