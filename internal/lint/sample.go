package lint

import (
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// The bounds of sampling: a regex can be large, and lint has to stay quick.
const (
	maxSamples = 24   // that are kept of one condition
	maxTries   = 64   // to make one
	maxSample  = 96   // bytes of a sample
	maxSteps   = 2000 // nodes of the regex that one try looks at
)

// sampler makes texts that a regex takes. Two runs make the same ones.
type sampler struct {
	random *rand.Rand
	text   strings.Builder
	steps  int
}

// samples are texts in the language of a regex: the shortest ways through it
// first, then others. They are only likely to fit: whoever uses them asks.
func samples(expr string) []string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	return samplesOf(re, maxSamples)
}

// samplesOf are at most so many texts in the language of a part of a regex.
func samplesOf(re *syntax.Regexp, most int) (list []string) {
	s := sampler{random: rand.New(rand.NewPCG(1, 2))}
	for try := range maxTries {
		s.text.Reset()
		s.steps = 0
		s.walk(re, try)
		if text := s.text.String(); len(text) <= maxSample && !slices.Contains(list, text) {
			list = append(list, text)
		}
		if len(list) == most {
			break
		}
	}

	return list
}

// choice is one of n: the first ways through are the regular ones.
func (s *sampler) choice(try, n int) int {
	if try < 4 {
		return try % n
	}
	return s.random.IntN(n)
}

func (s *sampler) walk(re *syntax.Regexp, try int) {
	if s.steps++; s.steps > maxSteps || s.text.Len() > maxSample {
		return
	}

	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				r = unicode.ToLower(r)
			}
			s.text.WriteRune(r)
		}
	case syntax.OpCharClass:
		s.text.WriteRune(s.of(re.Rune, try))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		s.text.WriteByte("ab/.-1"[s.choice(try, 6)])
	case syntax.OpAlternate:
		s.walk(re.Sub[s.choice(try, len(re.Sub))], try)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		least, most := times(re)
		for range least + s.choice(try, most-least+1) {
			s.walk(re.Sub[0], try)
		}
	default:
		for _, sub := range re.Sub {
			s.walk(sub, try)
		}
	}
}

// times is how often a sample repeats what is repeated.
func times(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpStar:
		return 0, 3
	case syntax.OpPlus:
		return 1, 3
	case syntax.OpQuest:
		return 0, 1
	}

	most = re.Min + 2
	if re.Max >= 0 {
		most = min(most, re.Max)
	}

	return re.Min, max(re.Min, most)
}

// of picks a rune of a class, one that people write in paths if there is one.
func (s *sampler) of(class []rune, try int) rune {
	var usual []rune
	for _, r := range "abc1-_/." {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= r && r <= class[i+1] {
				usual = append(usual, r)
				break
			}
		}
	}
	if len(usual) > 0 {
		return usual[s.choice(try, len(usual))]
	}
	if len(class) == 0 {
		return 'a'
	}

	return class[0]
}

// paths are examples of paths that meet a pattern's condition, the one that
// people try first before all others.
func (p *pattern) paths() (list []string) {
	add := func(path string) {
		if !strings.HasPrefix(path, "/") || slices.Contains(list, path) || strings.ContainsAny(path, "?# ") {
			return
		}
		if p.path == nil || p.path.re == nil || p.path.re.MatchString(path) {
			list = append(list, path)
		}
	}
	add("/")
	if p.path == nil {
		add("/a")
		add("/a/b")
		return list
	}
	var made []string
	if p.path.known {
		made = append(made, p.path.example)
	}
	if p.path.key == "regex" {
		made = append(made, samples(p.path.expr)...)
	}

	for _, path := range made {
		for _, longer := range []string{path, "/" + path, path + "/a", path + "/a/b", path + "a/b", path + "1", path + "/", "/x" + path, "/x/" + path} {
			add(longer)
		}
		if len(list) >= maxSamples {
			break
		}
	}

	return list
}

// plain reports whether this is a path that a browser sends: letters, digits and dots within
// segments, none of them empty.
func plain(path string) bool {
	if path == "/" {
		return true
	}

	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		if strings.Trim(segment, ".") == "" {
			return false
		}

		for _, r := range segment {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r) {
				return false
			}
		}
	}

	return true
}
