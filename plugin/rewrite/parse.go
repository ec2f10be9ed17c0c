package rewrite

import (
	"slices"
	"strconv"
	"strings"
)

// MaxConfig is the largest configuration in bytes.
const MaxConfig = 512 << 10

// Parse reads a configuration: one JSON object with the keys of [Config], or
// nothing. The error is [Errors] and holds every fault of form: text that is
// not JSON, unknown keys, values of a wrong type. What the values mean is
// checked by [Compile]. Parse returns a Config along with an error: what could
// be read, so that Compile can look for more faults.
func Parse(data []byte) (*Config, error) {
	c, f := parse(data)
	return c, f.err()
}

// Load parses and compiles a configuration. The error is [Errors] and holds
// every fault at once.
func Load(data []byte) (*Rules, error) {
	_, r, err := Read(data)
	return r, err
}

// Read is [Load] for callers that also need what was said. A filter does not:
// what was said is larger than what is meant.
func Read(data []byte) (*Config, *Rules, error) {
	c, f := parse(data)
	r := compile(c, f)
	if err := f.err(); err != nil {
		return c, nil, err
	}
	return c, r, nil
}

//go:noinline
func parse(data []byte) (*Config, *faults) {
	d := &decoder{}
	c := &Config{source: string(data)}
	at := &place{}
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
	d.object(at, &v, c, nil)

	return c, &d.faults
}

// decoder turns JSON values into a Config and collects what does not fit. A
// null is as good as an absent key: Helm leaves it where a user removed one.
type decoder struct {
	faults
	spare []*keys // of objects that have been read
}

func (d *decoder) variable(_ *place, v *value) Var {
	switch v.kind {
	case kindString:
		return Var{v.text, true}
	case kindBool:
		return Var{v.String(), true}
	case kindNumber:
		return Var{plainNumber(v.text), true}
	}
	return Var{}
}

// plainNumber writes a number without an exponent: istiod hands 3000000 over
// as 3e+06.
func plainNumber(text string) string {
	d := readDecimal(text)
	if plain, ok := d.plain(); ok {
		return plain
	}
	return text
}

func (d *decoder) statusRange(at *place, v *value) StatusRange {
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

// object reads a struct.
func (d *decoder) object(at *place, v *value, into keyed, of *Type) {
	if v.kind == kindNull {
		return
	}
	if v.kind != kindObject {
		d.add(at, v.String(), "want an object")
		return
	}

	// One walker for each level of nesting does for thousands of patterns.
	k := &keys{}
	if n := len(d.spare); n > 0 {
		k, d.spare = d.spare[n-1], d.spare[:n-1]
	}

	*k = keys{decoder: d, members: v.members, at: at, of: of}
	into.keys(k)

	// Members that no line of the table asked for are unknown.
	if k.found < len(v.members) {
		d.unknown(at, v, describe(into, of))
	}

	d.spare = append(d.spare, k)
}

// unknown reports the keys of an object that are not of its type.
func (d *decoder) unknown(at *place, v *value, t *Type) {
	known := make([]string, len(t.Keys))
	for i := range t.Keys {
		known[i] = t.Keys[i].Name
	}

	for i := range v.members {
		key := v.members[i].key
		if slices.Contains(known, key) {
			continue
		}

		reason := "is an unknown key: want one of " + strings.Join(known, ", ")
		if near := nearest(key, known); near != "" {
			reason = "is an unknown key: did you mean " + near + "?"
		}
		d.add(at.key(key), "", reason)
	}
}

func decodeMap[T any](d *decoder, at *place, v *value, decode func(*decoder, *place, *value) T) map[string]T {
	if v.kind != kindObject {
		d.add(at, v.String(), "want an object")
		return nil
	}

	m := make(map[string]T, len(v.members))
	for i := range v.members {
		if e := &v.members[i]; e.value.kind != kindNull {
			m[e.key] = decode(d, at.key(e.key), &e.value)
		}
	}

	return m
}

// list reports whether a value is a list, and reports where it is empty and may not be.
func (d *decoder) list(at *place, v *value, t *Type) bool {
	if v.kind != kindList {
		d.add(at, v.String(), "want a list")
		return false
	}
	if len(v.list) == 0 && t.Empty != "" {
		d.add(at, "", t.Empty)
	}
	return true
}

func decodeList[T any](d *decoder, at *place, v *value, t *Type, decode func(*decoder, *place, *value) T) []T {
	if !d.list(at, v, t) {
		return nil
	}

	list := make([]T, len(v.list))
	for i := range v.list {
		list[i] = decode(d, at.item(i), &v.list[i])
	}
	return list
}

// str reads a string.
func (d *decoder) str(at *place, v *value) string {
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

// strings reads a string or a list of strings.
func (d *decoder) strings(at *place, v *value) Strings {
	if v.kind == kindList {
		return decodeList(d, at, v, headerValueListsType.Elem, (*decoder).str)
	}
	return Strings{d.str(at, v)}
}

// word reads one of a set of words.
func (d *decoder) word(at *place, v *value, of []string) string {
	for _, w := range of {
		if v.text == w {
			return w
		}
	}

	reason := "want " + either(of)
	if near := nearest(v.text, of); near != "" {
		reason += ": did you mean " + near + "?"
	}
	d.add(at, v.String(), reason)

	return ""
}

// either lists alternatives.
func either(of []string) string {
	last := len(of) - 1
	return strings.Join(of[:last], ", ") + " or " + of[last]
}

func (d *decoder) flag(at *place, v *value) bool {
	if v.kind != kindBool {
		d.add(at, v.String(), "want true or false, without quotes")
	}
	return v.flag
}

// number reads a whole number; a Struct turns 308 into 308.0, which is as good.
func (d *decoder) number(at *place, v *value, t *Type) int {
	n, ok := wholeNumber(v)
	switch {
	case !ok && v.kind == kindString:
		d.add(at, v.String(), "want a whole number, without quotes")
	case !ok:
		d.add(at, v.String(), "want a whole number")
	case t.Numbers != nil && !slices.Contains(t.Numbers, n), t.Numbers == nil && (n < t.Min || n > t.Max):
		d.add(at, v.String(), t.wanted())
	}
	return n
}

// share reads a number that may be fractional.
func (d *decoder) share(at *place, v *value, t *Type) float64 {
	number := readDecimal(v.text)
	f := number.float()
	if v.kind != kindNumber || f < float64(t.Min) || f > float64(t.Max) {
		d.add(at, v.String(), t.wanted())
	}
	return f
}

func wholeNumber(v *value) (int, bool) {
	if v.kind != kindNumber {
		return 0, false
	}

	d := readDecimal(v.text)
	n, ok := d.whole()
	return n, ok
}
