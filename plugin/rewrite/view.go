package rewrite

import "strings"

// field is one value of a header.
type field struct{ name, value string }

// fieldList is an ordered list of headers that is being edited.
type fieldList struct {
	items   []field
	touched []touched // headers that were edited
	// Nobody asked what there is, because the operations need not know: items
	// holds what is written only.
	blind bool
}

type touched struct {
	name    string
	cleared bool // in a blind list: what there is goes
}

// looks is what it takes to look for a name among so many.
func looks(n int, name string) int { return 1 + n*(8+len(name))>>4 }

func (s *Scratch) touch(l *fieldList, name string) *touched {
	s.spend(looks(len(l.touched), name))

	for i := range l.touched {
		if l.touched[i].name == name {
			return &l.touched[i]
		}
	}

	l.touched = append(l.touched, touched{name: name})
	return &l.touched[len(l.touched)-1]
}

// clear removes a header of which nobody knows whether it is there.
func (s *Scratch) clear(l *fieldList, name string) {
	s.dropName(l, name, 0)
	s.touch(l, name).cleared = true
}

// index gives the place of the first value of a header, or -1.
func (s *Scratch) index(l *fieldList, name string) int {
	s.spend(looks(len(l.items), name))

	for i := range l.items {
		if l.items[i].name == name {
			return i
		}
	}
	return -1
}

// dropName removes the values of a header from place i on. The caller touches it.
func (s *Scratch) dropName(l *fieldList, name string, i int) {
	s.spend(looks(len(l.items), name))

	kept := l.items[:i]
	for ; i < len(l.items); i++ {
		if l.items[i].name != name {
			kept = append(kept, l.items[i])
		}
	}

	l.items = kept
}

// mark remembers the list, for undo.
func (s *Scratch) mark() {
	s.spend(1 + len(s.list.items)>>2)
	s.saved.items = append(s.saved.items[:0], s.list.items...)
	s.saved.touched = append(s.saved.touched[:0], s.list.touched...)
	s.savedMade = s.made
}

// undo brings back the list as it was when it was marked.
func (s *Scratch) undo() {
	s.spend(1 + len(s.saved.items)>>2)
	s.list.items = append(s.list.items[:0], s.saved.items...)
	s.list.touched = append(s.list.touched[:0], s.saved.touched...)
	s.made = s.savedMade
}

// diff turns what the header operations changed into as few writes as say it.
func (s *Scratch) diff() {
	for _, t := range s.list.touched {
		s.spend(looks(len(s.list.items)+len(s.arrived), t.name))
		if s.spent() {
			break
		}

		same := 0 // how many values stay as they are
		if !s.list.blind {
			var changed bool
			if same, changed = s.unchanged(t.name); !changed {
				continue
			}

			t.cleared = same == 0
		}

		kind, written := EditAdd, false
		if t.cleared {
			kind = EditSet
		}

		for i := range s.list.items {
			f := &s.list.items[i]
			if f.name != t.name {
				continue
			}
			if same > 0 {
				same--
				continue
			}

			s.out.Edits = append(s.out.Edits, Edit{kind, t.name, f.value})
			kind, written = EditAdd, true
		}
		if !written {
			s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: t.name})
		}
	}
	if s.spent() {
		s.removeAll()
	}
}

// removeAll removes every header that a rule can remove, where there are no steps
// left to look for those that it must.
//
//go:noinline
func (s *Scratch) removeAll() {
	s.load()

	s.out.Edits = s.out.Edits[:0]
	for i := range s.arrived {
		if name := s.arrived[i].Name; !isUntouchable(name) {
			s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: name})
		}
	}
}

// unchanged compares the values of a header with those that arrived. Where
// values were only appended, same is how many were there before; else it is 0.
func (s *Scratch) unchanged(name string) (same int, changed bool) {
	at := 0
	for i := range s.arrived {
		if s.arrived[i].Name != name {
			continue
		}

		for at < len(s.list.items) && s.list.items[at].name != name {
			at++
		}
		if at == len(s.list.items) || s.list.items[at].value != s.arrived[i].Value {
			return 0, true
		}
		at++
		same++
	}

	for ; at < len(s.list.items); at++ {
		changed = changed || s.list.items[at].name == name
	}

	return same, changed
}

// own writes a header of the filter's own, or removes what came under its name.
func (s *Scratch) own(name, value string) {
	if name == "" {
		return
	}
	if value != "" {
		s.out.Edits = append(s.out.Edits, Edit{EditSet, name, value})
		return
	}

	found := s.index(&s.list, name) >= 0
	if !found && !s.loaded {
		_, there, ok := s.src.Header(name)
		found = there
		s.failed = s.failed || !ok
	}

	for i := range s.arrived {
		found = found || s.arrived[i].Name == name
	}
	if found {
		s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: name})
	}
}

// forged reports whether a request's header has a name that the filter itself writes:
// what a client sends there is removed, so nothing can ask for it.
func (s *Scratch) forged(name string) bool {
	return s.hides && (name == s.rules.patternHeader || name == s.rules.originalPathHeader)
}

// load reads all headers, once a pass.
func (s *Scratch) load() {
	if s.loaded {
		return
	}

	s.loaded = true
	list, ok := s.src.Headers()
	s.failed = s.failed || !ok
	s.arrived = list
	s.spend(len(list))
	if s.list.blind {
		return
	}

	for i := range list {
		if !s.forged(list[i].Name) {
			s.list.items = append(s.list.items, field{list[i].Name, list[i].Value})
		}
	}
}

// maxReads is how many headers are read one by one: each is a call of the host, which costs more than most patterns do.
const maxReads = 4

// get gives the first current value of a header. Where the list is blind it is
// one that nothing edits.
func (s *Scratch) get(name string) (string, bool) {
	if s.forged(name) && s.list.blind {
		return "", false
	}
	if s.list.blind {
		if s.reads == maxReads {
			s.load()
		}
		if !s.loaded {
			s.reads++
			value, found, ok := s.src.Header(name)
			s.failed = s.failed || !ok
			return value, found
		}
		s.spend(looks(len(s.arrived), name))

		for i := range s.arrived {
			if s.arrived[i].Name == name {
				return s.arrived[i].Value, true
			}
		}

		return "", false
	}
	s.load()
	if at := s.index(&s.list, name); at >= 0 {
		return s.list.items[at].value, true
	}

	return "", false
}

func (s *Scratch) loadHost() {
	if !s.hasHost {
		s.host, _ = s.get(":authority")
		s.hasHost, s.hostWas = true, s.host
	}
}

// hostname gives the current host in lower case without its port.
func (s *Scratch) hostname() string {
	if s.loadHost(); s.hasBareHost || !s.spend(len(s.host)>>4) {
		return s.bareHost
	}

	s.hasBareHost = true
	s.bareHost, _ = splitPort(s.host)
	start := len(s.arena)
	if strings.IndexFunc(s.bareHost, isUpperLetter) >= 0 && s.room(len(s.bareHost)) {
		for i := 0; i < len(s.bareHost); i++ {
			s.arena = append(s.arena, lower(s.bareHost[i]))
		}

		s.bareHost = s.since(start)
	}

	return s.bareHost
}

func isUpperLetter(r rune) bool { return r >= 'A' && r <= 'Z' }
