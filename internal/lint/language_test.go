package lint

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestWithinAgainstRegexp holds what is said of languages against Go's regexp
// on random texts.
func TestWithinAgainstRegexp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "/", "[ab]", "(?:a|b/)", ".", ".*", "a*", "b+", "(?:ab)?", "^", "$", `\b`, "/a", "[^/]+", "[^/]*", "(?i)A", "a{2}", `\z`, "(?m)^"}
	expr := func() string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		return b.String()
	}
	text := func() string {
		var b strings.Builder
		b.WriteByte('/')

		for range r.IntN(6) {
			b.WriteByte("ab/AB"[r.IntN(5)])
		}
		return b.String()
	}

	contained, empty := 0, 0
	for range 3000 {
		a, b := expr(), expr()
		la, err := newLanguage(a)
		if err != nil {
			t.Fatal(a, err)
		}

		lb, err := newLanguage(b)
		if err != nil {
			t.Fatal(b, err)
		}

		ra, rb := regexp.MustCompile(a), regexp.MustCompile(b)

		example, found, known := la.shortest(pathSubject, &budget{left: maxWork})
		switch {
		case !known:
			t.Fatalf("%s: too much work", a)
		case found && !ra.MatchString(example):
			t.Errorf("%s does not match its own example %q", a, example)
		}

		in := la.within(lb, pathSubject, &budget{left: maxWork})
		if in {
			contained++
		}
		if !found {
			empty++
		}

		for range 40 {
			s := text()
			if ra.MatchString(s) && !found {
				t.Errorf("%s matches %q, and was called empty", a, s)
			}
			if in && ra.MatchString(s) && !rb.MatchString(s) {
				t.Errorf("%s matches %q, %s does not, and was called wider", a, s, b)
			}
		}
		if other, found, known := la.without(lb, pathSubject, &budget{left: maxWork}); known && found && (!ra.MatchString(other) || rb.MatchString(other)) {
			t.Errorf("%q is not of %s alone, but of %s too", other, a, b)
		}
	}
	if contained < 100 || empty < 50 {
		t.Errorf("%d contained, %d empty: too few to tell", contained, empty)
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`^/api/v1/`, `^/api/`, true},
		{`^/api/`, `^/api/v1/`, false},
		{`^/v(1|2)/x$`, `^/v[0-9]+/`, true},
		{`^/v(1|a)/x$`, `^/v[0-9]+/`, false},
		{`^/a$`, `a`, true},
		{`(?i)^/A`, `^/a`, false},
		{`^/a`, `(?i)^/A`, true},
		{`^/a.*b`, `^/a.*`, true},
		{`^/x`, ``, true},
		{``, `^/`, true},
		{`^/a{2,5}$`, `^/a+$`, true},
		{`\bfoo\b`, `foo`, true},
		{`foo`, `\bfoo\b`, false},
	} {
		a, err := newLanguage(c.a)
		if err != nil {
			t.Fatal(err)
		}

		b, err := newLanguage(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.within(b, pathSubject, &budget{left: maxWork}); got != c.want {
			t.Errorf("%q within %q is %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
