package rewrite

import (
	"strconv"
	"strings"
)

// MaxConfig is the largest configuration in bytes.
const MaxConfig = 512 << 10

// Parse reads a configuration: one JSON object with the keys of [Config], or
// nothing. The error is [Errors] and holds every fault of form: text that is
// not JSON, unknown keys, values of a wrong type. What the values mean is
// checked by [Compile]. Parse returns a Config beside an error too: what could
// be read, so that Compile can look for more faults.
func Parse(data []byte) (*Config, error) {
	c, f := parse(data)
	return c, f.err()
}

// Load parses and compiles a configuration. The error is [Errors] and holds
// every fault at once.
func Load(data []byte) (*Rules, error) {
	c, f := parse(data)
	r := compile(c, f)
	if err := f.err(); err != nil {
		return nil, err
	}
	return r, nil
}

func parse(data []byte) (*Config, *faults) {
	d := &decoder{}
	c := &Config{source: string(data)}
	at := &place{shape: configShape}
	if len(data) > MaxConfig {
		d.add(at, "", "the configuration has "+strconv.Itoa(len(data))+" bytes, the limit is "+strconv.Itoa(MaxConfig)+": split it over several workloads")
		return c, &d.faults
	}
	if strings.Trim(c.source, " \t\r\n") == "" {
		return c, &d.faults
	}
	v, reason := parseJSON(c.source)
	if reason != "" {
		d.add(at, "", reason)
		return c, &d.faults
	}
	d.config(at, v, c)
	return c, &d.faults
}

// decoder turns JSON values into a Config and collects what does not fit. A
// null is as good as an absent key: Helm leaves it where a user removed one.
type decoder struct{ faults }

func (d *decoder) config(at *place, v value, c *Config) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "vars":
			c.Vars = decodeMap(d, at, v, d.variable)
		case "patterns":
			c.Patterns = decodeList(d, at, v, d.pattern)
		case "headers":
			c.Headers = d.headers(at, v)
		case "originalPathHeader":
			c.OriginalPathHeader = d.str(at, v)
		case "patternHeader":
			c.PatternHeader = d.str(at, v)
		case "onUnsafe":
			c.OnUnsafe = d.word(at, v, "reject", "keep")
		case "revision":
			c.Revision = d.str(at, v)
		}
	})
}

func (d *decoder) variable(_ *place, v value) Var {
	switch v.kind {
	case kindString:
		return Var{v.text, true}
	case kindBool:
		return Var{strconv.FormatBool(v.flag), true}
	case kindNumber:
		return Var{plainNumber(v.text), true}
	}
	return Var{}
}

// plainNumber writes a number without an exponent: istiod hands 3000000 over
// as 3e+06.
func plainNumber(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func (d *decoder) pattern(at *place, v value) (p Pattern) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "name":
			p.Name = d.str(at, v)
			if p.Name == "" && v.kind == kindString {
				d.add(at, `""`, nameReason)
			}
		case "match":
			p.Match = d.match(at, v)
		case "rewrite":
			p.Rewrite = d.rewrite(at, v)
		case "redirect":
			p.Redirect = d.redirect(at, v)
		case "respond":
			p.Respond = d.respond(at, v)
		case "headers":
			p.Headers = d.headers(at, v)
		case "then":
			p.Then = d.word(at, v, "stop", "next")
		case "mode":
			p.Mode = d.word(at, v, "enforce", "shadow", "disabled")
		case "sample":
			p.Sample = d.sample(at, v)
		}
	})
	return p
}

func (d *decoder) match(at *place, v value) (m Match) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "path":
			m.Path = &PathMatch{}
			d.object(at, v, func(key string, at *place, v value) {
				switch key {
				case "exact":
					m.Path.Exact = d.text(at, v)
				case "prefix":
					m.Path.Prefix = d.text(at, v)
				case "suffix":
					m.Path.Suffix = d.text(at, v)
				case "regex":
					m.Path.Regex = d.text(at, v)
				case "ignoreCase":
					m.Path.IgnoreCase = d.flag(at, v)
				}
			})
		case "host":
			m.Host = &HostMatch{}
			d.object(at, v, func(key string, at *place, v value) {
				switch key {
				case "exact":
					m.Host.Exact = d.text(at, v)
				case "prefix":
					m.Host.Prefix = d.text(at, v)
				case "suffix":
					m.Host.Suffix = d.text(at, v)
				case "regex":
					m.Host.Regex = d.text(at, v)
				case "ignoreCase":
					m.Host.IgnoreCase = d.flag(at, v)
				}
			})
		case "scheme":
			m.Scheme = d.word(at, v, "http", "https")
		case "methods":
			m.Methods = decodeList(d, at, v, d.str)
			if v.kind == kindList && len(v.list) == 0 {
				d.add(at, "", "an empty list matches nothing: name a method, or leave the key out")
			}
		case "headers":
			m.Headers = decodeList(d, at, v, d.valueMatch)
		case "query":
			m.Query = decodeList(d, at, v, d.valueMatch)
		case "response":
			m.Response = d.responseMatch(at, v)
		}
	})
	return m
}

func (d *decoder) valueMatch(at *place, v value) (m ValueMatch) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "name":
			m.Name = d.str(at, v)
		case "exact":
			m.Exact = d.text(at, v)
		case "prefix":
			m.Prefix = d.text(at, v)
		case "suffix":
			m.Suffix = d.text(at, v)
		case "contains":
			m.Contains = d.text(at, v)
		case "regex":
			m.Regex = d.text(at, v)
		case "present":
			present := d.flag(at, v)
			m.Present = &present
		case "ignoreCase":
			m.IgnoreCase = d.flag(at, v)
		case "not":
			m.Not = d.flag(at, v)
		}
	})
	return m
}

func (d *decoder) responseMatch(at *place, v value) *ResponseMatch {
	m := &ResponseMatch{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "status":
			m.Status = decodeList(d, at, v, d.statusRange)
			if v.kind == kindList && len(v.list) == 0 {
				d.add(at, "", "an empty list matches nothing: name a status, or leave the key out")
			}
		case "headers":
			m.Headers = decodeList(d, at, v, d.valueMatch)
		}
	})
	return m
}

func (d *decoder) statusRange(at *place, v value) StatusRange {
	const reason = "want a status from 100 to 599, or a class from 1xx to 5xx"
	if len(v.text) == 3 && v.text[1:] == "xx" && v.text[0] >= '1' && v.text[0] <= '5' {
		from := int(v.text[0]-'0') * 100
		return StatusRange{from, from + 99}
	}
	n, ok := wholeNumber(v)
	if !ok || n < 100 || n > 599 {
		d.add(at, v.String(), reason)
		return StatusRange{}
	}
	return StatusRange{n, n}
}

func (d *decoder) rewrite(at *place, v value) *Rewrite {
	r := &Rewrite{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "path":
			r.Path = d.text(at, v)
		case "replace":
			r.Replace = d.word(at, v, "all", "first", "whole")
		case "host":
			r.Host = d.text(at, v)
		case "query":
			if v.kind != kindObject {
				r.Query.Drop = d.word(at, v, "keep", "drop") == "drop"
				return
			}
			r.Query.Edits = d.queryEdits(at, v)
		}
	})
	return r
}

func (d *decoder) queryEdits(at *place, v value) *QueryEdits {
	e := &QueryEdits{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "rename":
			e.Rename = decodeMap(d, at, v, d.str)
		case "remove":
			e.Remove = decodeList(d, at, v, d.str)
		case "keep":
			e.Keep = decodeList(d, at, v, d.str)
		case "replace":
			e.Replace = decodeList(d, at, v, d.replace)
		case "set":
			e.Set = decodeMap(d, at, v, d.strings)
		case "overwrite":
			e.Overwrite = decodeMap(d, at, v, d.str)
		case "default":
			e.Default = decodeMap(d, at, v, d.str)
		case "add":
			e.Add = decodeMap(d, at, v, d.strings)
		}
	})
	return e
}

func (d *decoder) redirect(at *place, v value) *Redirect {
	r := &Redirect{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "status":
			r.Status = d.number(at, v)
			switch r.Status {
			case 301, 302, 303, 307, 308:
			default:
				d.bad(at, v, "want 301, 302, 303, 307 or 308")
			}
		case "scheme":
			r.Scheme = d.word(at, v, "http", "https")
		case "host":
			r.Host = d.text(at, v)
		case "port":
			if r.Port = d.number(at, v); r.Port < 1 || r.Port > 65535 {
				d.bad(at, v, "want a port from 1 to 65535")
			}
		case "path":
			r.Path = d.text(at, v)
		case "replace":
			r.Replace = d.word(at, v, "all", "first", "whole")
		case "query":
			r.Query = d.word(at, v, "keep", "drop")
		}
	})
	return r
}

func (d *decoder) respond(at *place, v value) *Respond {
	r := &Respond{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "status":
			if r.Status = d.number(at, v); r.Status < 200 || r.Status > 599 {
				d.bad(at, v, "want a status from 200 to 599")
			}
		case "body":
			r.Body = d.str(at, v)
		case "headers":
			r.Headers = decodeMap(d, at, v, d.strings)
		}
	})
	if v.kind == kindObject && !v.has("status") {
		d.add(at.key("status"), "", "is missing: respond needs a status from 200 to 599")
	}
	return r
}

func (d *decoder) headers(at *place, v value) (h Headers) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "request":
			h.Request = d.headerEdits(at, v)
		case "response":
			h.Response = d.headerEdits(at, v)
		}
	})
	return h
}

func (d *decoder) headerEdits(at *place, v value) (e HeaderEdits) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "copy":
			e.Copy = decodeMap(d, at, v, d.str)
		case "rename":
			e.Rename = decodeMap(d, at, v, d.str)
		case "remove":
			e.Remove = decodeList(d, at, v, d.str)
		case "replace":
			e.Replace = decodeList(d, at, v, d.replace)
		case "set":
			e.Set = decodeMap(d, at, v, d.strings)
		case "overwrite":
			e.Overwrite = decodeMap(d, at, v, d.str)
		case "default":
			e.Default = decodeMap(d, at, v, d.str)
		case "add":
			e.Add = decodeMap(d, at, v, d.strings)
		}
	})
	return e
}

func (d *decoder) replace(at *place, v value) (r Replace) {
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "name":
			r.Name = d.str(at, v)
		case "regex":
			r.Regex = d.str(at, v)
		case "replacement":
			r.Replacement = d.str(at, v)
		}
	})
	for _, key := range []string{"name", "regex", "replacement"} {
		if v.kind == kindObject && !v.has(key) {
			d.add(at.key(key), "", "is missing: an entry of replace needs name, regex and replacement")
		}
	}
	return r
}

func (d *decoder) sample(at *place, v value) *Sample {
	s := &Sample{}
	d.object(at, v, func(key string, at *place, v value) {
		switch key {
		case "percent":
			s.Percent, _ = strconv.ParseFloat(v.text, 64)
			if v.kind != kindNumber || s.Percent < 0 || s.Percent > 100 {
				d.add(at, v.String(), "want a number from 0 to 100")
			}
		case "by":
			s.By = &SampleBy{}
			d.object(at, v, func(key string, at *place, v value) {
				switch key {
				case "header":
					s.By.Header = d.str(at, v)
				case "cookie":
					s.By.Cookie = d.str(at, v)
				}
			})
		}
	})
	if v.kind == kindObject && !v.has("percent") {
		d.add(at.key("percent"), "", "is missing: want a number from 0 to 100")
	}
	return s
}

// has tells whether an object has a key with a value.
func (v value) has(key string) bool {
	for _, m := range v.members {
		if m.key == key {
			return m.value.kind != kindNull
		}
	}
	return false
}

// object calls visit for each known key that has a value.
func (d *decoder) object(at *place, v value, visit func(key string, at *place, v value)) {
	if v.kind == kindNull {
		return
	}
	if v.kind != kindObject {
		d.add(at, v.String(), "want an object")
		return
	}
	for _, m := range v.members {
		in := at.key(m.key)
		if in.index == unknownRank {
			d.add(in, "", d.unknown(at, m.key))
		} else if m.value.kind != kindNull {
			visit(m.key, in, m.value)
		}
	}
}

func (d *decoder) unknown(at *place, key string) string {
	known := make([]string, 0, len(at.shape.keys))
	for _, k := range at.shape.keys {
		known = append(known, k.name)
	}
	if near := nearest(key, known); near != "" {
		return "is an unknown key: did you mean " + near + "?"
	}
	return "is an unknown key: want one of " + strings.Join(known, ", ")
}

func decodeMap[T any](d *decoder, at *place, v value, decode func(*place, value) T) map[string]T {
	if v.kind != kindObject {
		d.add(at, v.String(), "want an object")
		return nil
	}
	m := make(map[string]T, len(v.members))
	for _, e := range v.members {
		if e.value.kind != kindNull {
			m[e.key] = decode(at.key(e.key), e.value)
		}
	}
	return m
}

func decodeList[T any](d *decoder, at *place, v value, decode func(*place, value) T) []T {
	if v.kind != kindList {
		d.add(at, v.String(), "want a list")
		return nil
	}
	list := make([]T, 0, len(v.list))
	for i, e := range v.list {
		list = append(list, decode(at.item(i), e))
	}
	return list
}

// str reads a string.
func (d *decoder) str(at *place, v value) string {
	switch v.kind {
	case kindString:
		return v.text
	case kindNumber, kindBool:
		d.add(at, v.String(), "want a string: put it in quotes")
	default:
		d.add(at, v.String(), "want a string")
	}
	return ""
}

// text reads a string that may be empty but is there.
func (d *decoder) text(at *place, v value) *string {
	s := d.str(at, v)
	return &s
}

// strings reads a string or a list of strings.
func (d *decoder) strings(at *place, v value) Strings {
	if v.kind == kindList {
		if len(v.list) == 0 {
			d.add(at, "", "an empty list: name a value, or use remove")
		}
		return decodeList(d, at, v, d.str)
	}
	return Strings{d.str(at, v)}
}

// word reads one of a set of words.
func (d *decoder) word(at *place, v value, of ...string) string {
	for _, w := range of {
		if v.text == w {
			return w
		}
	}
	reason := "want " + strings.Join(of[:len(of)-1], ", ") + " or " + of[len(of)-1]
	if near := nearest(v.text, of); near != "" {
		reason += ": did you mean " + near + "?"
	}
	d.add(at, v.String(), reason)
	return ""
}

func (d *decoder) flag(at *place, v value) bool {
	if v.kind != kindBool {
		d.add(at, v.String(), "want true or false, without quotes")
	}
	return v.flag
}

// number reads a whole number; a Struct turns 308 into 308.0, which is as good.
func (d *decoder) number(at *place, v value) int {
	n, ok := wholeNumber(v)
	if !ok {
		reason := "want a whole number"
		if v.kind == kindString {
			reason += ", without quotes"
		}
		d.add(at, v.String(), reason)
	}
	return n
}

// bad reports a whole number that is out of range.
func (d *decoder) bad(at *place, v value, reason string) {
	if _, ok := wholeNumber(v); ok {
		d.add(at, v.String(), reason)
	}
}

func wholeNumber(v value) (int, bool) {
	if v.kind != kindNumber {
		return 0, false
	}
	f, _ := strconv.ParseFloat(v.text, 64)
	n := int(f)
	return n, f > -1e9 && f < 1e9 && float64(n) == f
}
