package rewrite

// found is one match of a regex: the text it was found in, and where each
// group begins and ends (-1 for one that took no part).
type found struct {
	subject string
	loc     []int
}

func (f found) group(n int) (string, bool) {
	if 2*n+1 >= len(f.loc) || f.loc[2*n] < 0 {
		return "", false
	}
	return f.subject[f.loc[2*n]:f.loc[2*n+1]], true
}

// expansion is what a template became.
type expansion struct {
	text string
	long bool // it would be longer than the limit; text is cut
	lost bool // a value of it was too long to be kept for the response
}

// expand writes a template into the arena, up to a limit. vals are the values
// of its references, own is the match that is being replaced.
func (s *Scratch) expand(t *template, vals []val, own found, enc encoding, limit int) (x expansion) {
	if text, ok := t.constant(); ok {
		return expansion{text: text, long: len(text) > limit}
	}

	start := len(s.arena)
	s.expandInto(t, vals, own, enc, start+limit, &x)
	x.text = s.since(start)
	return x
}

// perPiece is what a piece of a template takes of the budget besides its text.
const perPiece = 2

// expandInto appends a template to the arena, whose length stays below end: where
// more would be needed x.long is set, and nothing more is written.
func (s *Scratch) expandInto(t *template, vals []val, own found, enc encoding, end int, x *expansion) {
	for i := range t.pieces {
		p := &t.pieces[i]

		text, enc, written := p.text, enc, false // written: a fallback, which is the rule's own text
		switch p.kind {
		case pieceText:
			enc = encodeNone
		case pieceRef:
			v := &vals[p.index]
			text, x.lost, written = v.text, x.lost || v.lost, v.fallback
			if p.whole {
				enc = encodeNone
			}
		case pieceGroup:
			if group, _ := own.group(p.index); group != "" || !p.deflt {
				text = group
			} else {
				written = true
			}
		}
		if s.spend(perPiece); len(s.arena)+len(text) > end || !s.room(len(text)) {
			x.long = true
			return
		}
		if (enc != encodeNone || p.mod != modNone) && !s.spend(len(text)) {
			x.long = true
			return
		}
		if enc == encodePath && (p.mod == modPath && !p.raw || written && p.raw) {
			enc = encodeSlashes
		}

		at := len(s.arena)
		s.arena = appendEncoded(s.arena, text, enc, p.raw)
		p.mod.apply(s.arena[at:])
	}

	x.long = x.long || len(s.arena) > end
}

// apply changes the case of a text.
func (m modifier) apply(text []byte) {
	for i, c := range text {
		switch m {
		case modLower:
			text[i] = lower(c)
		case modUpper:
			text[i] = upper(c)
		}
	}
}

// longest is the length of the longest value that a template is made from.
func (t *template) longest(vals []val) (n int) {
	for i := range t.pieces {
		if p := &t.pieces[i]; p.kind == pieceRef {
			n = max(n, len(vals[p.index].text))
		}
	}
	return n
}

const hexDigits = "0123456789ABCDEF"

// appendEncoded appends a reference's value as the place it goes to needs it.
// raw says that it is part of the received path, whose escapes are its own.
func appendEncoded(dst []byte, v string, enc encoding, raw bool) []byte {
	switch enc {
	case encodeNone:
		return append(dst, v...)
	case encodeParam:
		if raw {
			return appendDecoded(dst, v, false)
		}
		return append(dst, v...)
	}

	for i := 0; i < len(v); i++ {
		c := v[i]

		keep := isUnreserved(c)
		switch {
		case raw && c == '%':
			keep = escapeAt(v, i) >= 0
		case raw && enc == encodePath:
			// What the path holds stays what it is; the whole path is checked.
			keep = true
		case enc == encodePath:
			keep = isPathByte(c)
		case enc == encodeSlashes:
			keep = isPathByte(c) || c == '/'
		}
		if keep {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}

	return dst
}

// appendDecoded appends v with its percent escapes decoded, and with + as a
// space where plus is set. Invalid escapes stay as they are.
func appendDecoded(dst []byte, v string, plus bool) []byte {
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '%':
			if b := escapeAt(v, i); b >= 0 {
				c = byte(b)
				i += 2
			}
		case plus && c == '+':
			c = ' '
		}

		dst = append(dst, c)
	}

	return dst
}
