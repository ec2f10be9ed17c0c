package rewrite

import "strconv"

// refuse answers a request that would take more than the budget. Whatever its
// response was to get from it is lost.
func (s *Scratch) refuse() {
	s.out.Edits = s.out.Edits[:0]
	s.steps = 0
	s.count(TopLevel, OverBudget)

	s.keeping = append(appendNumber(s.keeping[:0], TopLevel+1), 0)
	for i := range s.rules.response.refs {
		if !s.rules.response.refs[i].late() {
			s.keeping = append(s.keeping, keptLost)
		}
	}
	if !s.store() {
		s.release(s.stream)
	}
	s.reject()
}

// reject answers 400. The request goes nowhere: nothing of it is worth a write
// but what access logs show.
func (s *Scratch) reject() {
	s.answer = Answer{Status: 400}
	s.out.Answer = &s.answer
	s.out.Edits = s.out.Edits[:0]
	s.own(s.rules.patternHeader, s.names())
}

// answers reports whether a pattern answers the request.
func (p *pattern) answers() bool { return p.redirect != nil || p.respond != nil }

func (s *Scratch) answerWith(i int, p *pattern, vals []val) {
	if p.redirect != nil {
		s.count(i, Redirected)
		s.out.Answer = &s.answer
		return
	}
	s.count(i, Responded)
	s.respond(i, p, vals)
}

// produce gives what a pattern would make of path, query and host, and why
// that may not leave the filter. A redirect's Location goes to s.answer.
func (s *Scratch) produce(p *pattern, vals []val) (now target, host, unsafe string) {
	now = s.target
	if p.newPath != nil || p.newQuery.drop || p.newQuery.ops != nil {
		var tooLong bool
		if now, tooLong = s.retarget(p, vals); tooLong {
			return s.target, "", "path and query are longer than 8 KiB"
		}
		if unsafe = s.unsafeTarget(now); unsafe != "" {
			return s.target, "", unsafe
		}
	}
	if p.newHost != nil {
		x := s.expand(p.newHost, vals, found{}, encodeNone, maxHost)
		host = x.text
		s.loadHost()
		if x.long || host != s.host && !validHost(host) {
			return now, "", "the host is not valid"
		}
	}
	if p.redirect != nil {
		location, unsafe := s.location(p, vals, now)
		if unsafe != "" {
			return now, "", unsafe
		}

		s.answers = append(s.answers[:0], Header{"location", location})
		s.answer = Answer{Status: p.redirect.status, Headers: s.answers}
	}

	return now, host, ""
}

// location builds a Location.
//
//go:noinline
func (s *Scratch) location(p *pattern, vals []val, to target) (location, unsafe string) {
	r := p.redirect
	s.loadHost()
	scheme, host := r.scheme, s.host
	if scheme == "" && !p.onResponse {
		scheme, _ = s.get(":scheme")
	} else if scheme == "" {
		scheme = s.schemeWas
	}
	if r.host != nil {
		x := s.expand(r.host, vals, found{}, encodeNone, maxHost)
		if host = x.text; x.long {
			return "", "the host is not valid" // and cut: its end, which is the rule's own, may be missing
		}
	}
	if !validHost(host) {
		return "", "the host is not valid"
	}

	name, port := splitPort(host)
	if r.scheme != "" && r.host == nil {
		port = "" // that of the received host
	}
	if r.port != 0 {
		port = ":" + strconv.Itoa(r.port)
	}
	if port == ":80" && scheme == "http" || port == ":443" && scheme == "https" {
		port = ""
	}

	start := len(s.arena)
	for _, part := range [...]string{scheme, "://", name, port, to.path} {
		s.write(part)
	}
	if to.hasQuery {
		s.write("?")
		s.write(to.query)
	}
	s.write(r.fragment)
	location = s.since(start)
	if len(location) > maxValue || hasControl(location) || (scheme != "http" && scheme != "https") {
		return "", "the Location is not valid"
	}

	return location, ""
}

// respond fills the answer of a respond pattern.
//
//go:noinline
func (s *Scratch) respond(i int, p *pattern, vals []val) {
	l := &s.answered

	l.items, l.touched = l.items[:0], l.touched[:0]
	for h := range p.respond.headers {
		e := s.apply(l, &p.respond.headers[h], vals)
		s.wrote(i, RespondHeaders, &p.respond.headers[h], e)
		if e.unsafe() {
			s.count(i, Unsafe)
		}
	}

	s.answers = s.answers[:0]
	for _, f := range l.items {
		s.answers = append(s.answers, Header{f.name, f.value})
	}

	s.answer = Answer{Status: p.respond.status, Headers: s.answers, Body: p.respond.body}
	s.out.Answer = &s.answer
}
