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
}

// retarget gives the path and query that a pattern makes of the current ones.
func (s *Stream) retarget(p *pattern, vals []val) (now target, tooLong bool) {
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
	if e.query != nil {
		x := s.expand(e.query, vals, found{}, encodeQuery, maxTarget)
		tooLong = tooLong || x.long
		switch {
		case x.text == "":
		case now.query == "":
			now.query, now.hasQuery = x.text, true
		default:
			start := len(s.arena)
			s.arena = append(append(append(s.arena, x.text...), '&'), now.query...)
			now.query, now.hasQuery = s.since(start), true
		}
	}
	return now, tooLong
}

// replacePath gives the new path. It ends early, with tooLong, where the path
// grows beyond what may leave the filter.
func (s *Stream) replacePath(p *pattern, vals []val) (path string, tooLong bool) {
	// A path that is longer and stays as it is may stay.
	e, was, limit := p.newPath, s.path, max(maxTarget, len(s.path))
	first := found{was, s.loc}
	if e.how == replaceWhole {
		x := s.expand(&e.path, vals, first, encodePath, limit)
		return x.text, x.long
	}
	start := len(s.arena)
	switch e.how {
	case replacePrefix:
		rest := was[len(p.path.text):]
		s.expandInto(&e.path, vals, first, encodePath)
		if rest == "" {
			if len(s.arena) == start {
				s.arena = append(s.arena, '/')
			}
			break
		}
		for len(s.arena) > start && s.arena[len(s.arena)-1] == '/' {
			s.arena = s.arena[:len(s.arena)-1]
		}
		s.arena = append(append(s.arena, '/'), strings.TrimLeft(rest, "/")...)
	case replaceSuffix:
		s.arena = append(s.arena, was[:len(was)-len(p.path.text)]...)
		s.expandInto(&e.path, vals, first, encodePath)
	case replaceFirst:
		s.arena = append(s.arena, was[:s.loc[0]]...)
		s.expandInto(&e.path, vals, first, encodePath)
		s.arena = append(s.arena, was[s.loc[1]:]...)
	case replaceAll:
		if _, fits := s.replaceEach(p.path.find, &e.path, was, s.loc, vals, encodePath, limit); !fits {
			return "", true
		}
	}
	return s.since(start), len(s.arena)-start > limit
}

// replaceEach appends text to the arena with every match of a regex replaced.
// loc is the leftmost match. valued tells whether a reference had a value in
// any match; fits is false where the result passes the limit.
func (s *Stream) replaceEach(find *finder, t *template, text string, loc []int, vals []val, enc encoding, limit int) (valued, fits bool) {
	start, end := len(s.arena), 0
	// Behind a match that ends with the text nothing can follow but an empty
	// one, which is none.
	only := loc[1] == len(text) && loc[0] < loc[1]
	c := cursor{}
	if !only {
		loc = find.next(s.searching(), text, &c, s.ownBuf)
	}
	for loc != nil && len(s.arena)-start <= limit {
		s.arena = append(s.arena, text[end:loc[0]]...)
		valued = s.expandInto(t, vals, found{text, loc}, enc) || valued
		end = loc[1]
		if only {
			break
		}
		loc = find.next(s.searching(), text, &c, s.ownBuf)
	}
	s.arena = append(s.arena, text[end:]...)
	return valued, len(s.arena)-start <= limit
}
