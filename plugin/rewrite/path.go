package rewrite

import "strings"

// replacing is what part of a path a template replaces.
type replacing uint8

const (
	replaceWhole replacing = iota
	replacePrefix
	replaceSuffix
	replaceFirst // match of the path regex
	replaceAll   // matches of the path regex
)

// pathEdit is rewrite.path or redirect.path.
type pathEdit struct {
	how   replacing
	path  template
	query *template // what follows the first ? that is written

	fragment string // of a redirect, with its #
}

// retarget gives the path and query that a pattern makes of the current ones.
func (s *Scratch) retarget(p *pattern, vals []val) (now target, tooLong bool) {
	now = s.target
	if p.newQuery.drop {
		now.query, now.hasQuery = "", false
	} else if p.newQuery.ops != nil {
		now, tooLong = s.editQuery(now, p.newQuery.ops, vals)
	}

	e := p.newPath
	if e == nil || tooLong {
		return now, tooLong
	}

	now.path, tooLong = s.replacePath(p, vals)
	if e.query == nil || tooLong {
		return now, tooLong
	}

	x := s.expand(e.query, vals, found{}, encodeQuery, maxTarget)
	switch {
	case x.text == "":
	case now.query == "":
		now.query, now.hasQuery = x.text, true
	case len(x.text)+len(now.query) > maxTarget:
		return now, true
	default:
		start := len(s.arena)
		s.write(x.text)
		s.write("&")
		s.write(now.query)
		now.query, now.hasQuery = s.since(start), true
	}

	return now, x.long
}

// replacePath gives the new path. It ends early, with tooLong, where the path
// grows beyond what may leave the filter.
func (s *Scratch) replacePath(p *pattern, vals []val) (path string, tooLong bool) {
	// A path that is longer and stays as it is may stay.
	e, was, limit := p.newPath, s.path, max(maxTarget, len(s.path))
	first := found{was, s.loc}
	if e.how == replaceWhole {
		x := s.expand(&e.path, vals, first, encodePath, limit)
		return x.text, x.long
	}

	start, x := len(s.arena), expansion{}

	end := start + limit
	switch e.how {
	case replacePrefix:
		rest := was[len(p.match.path.text):]
		s.expandInto(&e.path, vals, first, encodePath, end, &x)
		if rest == "" {
			if len(s.arena) == start {
				s.write("/")
			}
			break
		}

		for len(s.arena) > start && s.arena[len(s.arena)-1] == '/' {
			s.arena = s.arena[:len(s.arena)-1]
		}
		s.write("/")

		tail := strings.TrimLeft(rest, "/")
		s.spend((len(rest) - len(tail)) >> 2)
		s.write(tail)
	case replaceSuffix:
		s.write(was[:len(was)-len(p.match.path.text)])
		s.expandInto(&e.path, vals, first, encodePath, end, &x)
	case replaceFirst:
		s.write(was[:s.loc[0]])
		s.expandInto(&e.path, vals, first, encodePath, end, &x)
		s.write(was[s.loc[1]:])
	case replaceAll:
		s.replaceEach(p.match.path.find, &e.path, was, s.loc, vals, encodePath, limit, &x)
	}

	return s.since(start), x.long || len(s.arena) > end
}

// replaceEach appends text to the arena with every match of a regex replaced,
// and sets x.long where the result passes the limit. loc is the leftmost match.
func (s *Scratch) replaceEach(find *finder, t *template, text string, loc []int, vals []val, enc encoding, limit int, x *expansion) {
	start, end := len(s.arena), 0
	// After a match that ends with the text nothing can follow but an empty
	// one, which is none.
	only := loc[1] == len(text) && loc[0] < loc[1]
	c := cursor{}
	if !only {
		loc = find.next(&s.searcher, text, &c, s.ownBuf)
	}

	for loc != nil && !x.long && !s.over() {
		s.write(text[end:loc[0]])
		s.expandInto(t, vals, found{text, loc}, enc, start+limit, x)
		end = loc[1]
		if only {
			break
		}

		loc = find.next(&s.searcher, text, &c, s.ownBuf)
	}
	if x.long {
		return
	}
	s.write(text[end:])
	x.long = len(s.arena)-start > limit
}
