package rewrite

import (
	"strconv"
)

// Form is the shape of a value.
type Form uint8

const (
	Text         Form = iota
	Flag              // true or false
	Number            // a whole number
	Share             // a number that may be fractional
	Word              // one of a few texts
	TextOrList        // a text or a list of texts
	Status            // a status, or a class of them such as 5xx
	WordOrObject      // keep, drop, or edits of a query
	Variable          // anything
	List
	Map // an object whose keys are free
	Object
)

// Format is what a text has to look like. Every one is checked when the
// configuration is compiled, once vars are put in.
type Format uint8

const (
	Free          Format = iota
	PatternName          // 1 to 63 of a-z, 0-9 and -
	Revision             // 8 hexadecimal digits in lower case
	Regex                // RE2
	MatchedPath          // begins with /, no ? and #
	MatchedSuffix        // not empty, no ? and #
	MatchedHost          // what a host can hold
	MatchedText          // what a header or parameter can hold
	Method               // an HTTP method in upper case
	MatchedHeader        // a header's name; not host and no pseudo-header, which have matchers of their own
	HeaderName           // a header's name that may be written
	HeaderGlob           // the same with * for any text
	ParamName            // not empty
	Token                // a token of HTTP
	NewPath              // a path with references
	NewHost              // a host with references
	HeaderValue          // a header's value with references
	ParamValue           // a parameter's value with references
)

// References reports whether a text of this format may hold references to more
// than vars.
func (f Format) References() bool { return f >= NewPath }

// Type says what a value may be.
type Type struct {
	Form   Form
	Format Format // of a text, or of each of a TextOrList

	Words    []string // of a word
	Numbers  []int    // a number is one of these
	What     string   // what a number is: a port
	Min, Max int      // of a number; of a list its length, 0 for any
	Empty    string   // why a list may not be empty

	Elem  *Type // what is in a list or a map
	Names *Type // of a map, its keys; of a list of objects, their key name

	Keys       []Key // of an object
	ExactlyOne []string
	AtMostOne  []string
	AtLeastOne []string

	MayBeEmpty bool   // the empty text is as good as none
	Required   bool   // the key may not be left out
	Missing    string // says the same, with why
}

// Key is a key of an object.
type Key struct {
	Name string
	Type *Type
}

// Language describes the whole rule language: a new copy of the type of
// [Config], with the keys of every object in their order.
func Language() *Type { return describe(&Config{}, nil) }

// Site is a text with a place that may hold references.
type Site struct {
	Path string // patterns[2].rewrite.path
	Text string
	Type *Type
	// Own says that numbers belong to a regex of the entry itself.
	Own bool
}

// VisitTexts calls visit for each text of a configuration that may hold
// references to more than vars, in the order of the rule language.
func (c *Config) VisitTexts(visit func(Site)) { c.keys(&keys{visit: visit, at: &place{}}) }

// VisitTexts does that for one pattern; paths begin in it.
func (p *Pattern) VisitTexts(visit func(Site)) { p.keys(&keys{visit: visit, at: &place{}}) }

// keyed is a struct with a table of keys.
type keyed interface{ keys(k *keys) }

// keys goes through the table of one struct: to read an object into it, to
// describe it, or to visit its texts.
type keys struct {
	at *place
	of *Type // of the list that the object is in

	decoder *decoder // to read:
	members []member
	found   int // how many of its keys are known

	is *Type // to describe

	visit func(Site) // to visit
}

// describe gives the type of an object.
func describe(o keyed, of *Type) *Type {
	k := &keys{is: &Type{Form: Object}, of: of}
	o.keys(k)
	return k.is
}

// find gives the value of a key, where there is one to be read.
func (k *keys) find(name string, t *Type) *value {
	if k.is != nil {
		k.is.Keys = append(k.is.Keys, Key{name, t})
		return nil
	}

	for i := range k.members {
		if m := &k.members[i]; m.key == name {
			k.found++
			if m.value.kind == kindNull {
				break
			}
			return &m.value
		}
	}
	if k.decoder != nil && t.Missing != "" {
		k.decoder.add(k.at.key(name), "", t.Missing)
	}

	return nil
}

// site visits a text.
func (k *keys) site(at *place, text string, t *Type) {
	if k.visit != nil && t.Format.References() && text != "" {
		k.visit(Site{Path: at.String(), Text: text, Type: t, Own: k.of != nil && k.of.Elem == t})
	}
}

// str reads a string. Only an error needs its place.
func (k *keys) str(name string, v *value) string {
	if v.kind == kindString {
		return v.text
	}
	return k.decoder.str(k.at.key(name), v)
}

func (k *keys) text(name string, into *string, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = k.str(name, v)
		if t.Format == PatternName && *into == "" && v.kind == kindString {
			k.decoder.add(k.at.key(name), `""`, nameReason)
		}
	}
	if k.visit != nil {
		k.site(k.at.key(name), *into, t)
	}
}

// some is a text that may be empty but is there.
func (k *keys) some(name string, into **string, t *Type) {
	if v := k.find(name, t); v != nil {
		s := k.str(name, v)
		*into = &s
	}
	if k.visit != nil && *into != nil {
		k.site(k.at.key(name), **into, t)
	}
}

var flagType = &Type{Form: Flag}

func (k *keys) flag(name string, into *bool) {
	if v := k.find(name, flagType); v != nil {
		*into = k.decoder.flag(k.at.key(name), v)
	}
}

func (k *keys) someFlag(name string, into **bool) {
	if v := k.find(name, flagType); v != nil {
		flag := k.decoder.flag(k.at.key(name), v)
		*into = &flag
	}
}

func (k *keys) word(name string, into *string, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = k.decoder.word(k.at.key(name), v, t.Words)
	}
}

func (k *keys) number(name string, into *int, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = k.decoder.number(k.at.key(name), v, t)
	}
}

func (k *keys) share(name string, into *float64, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = k.decoder.share(k.at.key(name), v, t)
	}
}

func (k *keys) texts(name string, into *[]string, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = decodeList(k.decoder, k.at.key(name), v, t, (*decoder).str)
	}
}

func (k *keys) statuses(name string, into *[]StatusRange, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = decodeList(k.decoder, k.at.key(name), v, t, (*decoder).statusRange)
	}
}

func (k *keys) textMap(name string, into *map[string]string, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = decodeMap(k.decoder, k.at.key(name), v, (*decoder).str)
	}
	if k.visit == nil {
		return
	}

	for _, key := range sortedKeys(*into) {
		k.site(k.at.key(name).key(key), (*into)[key], t.Elem)
	}
}

func (k *keys) textsMap(name string, into *map[string]Strings, t *Type) {
	if v := k.find(name, t); v != nil {
		*into = decodeMap(k.decoder, k.at.key(name), v, (*decoder).strings)
	}
	if k.visit == nil {
		return
	}

	for _, key := range sortedKeys(*into) {
		at, list := k.at.key(name).key(key), (*into)[key]
		for i, text := range list {
			if len(list) == 1 {
				k.site(at, text, t.Elem)
			} else {
				k.site(at.item(i), text, t.Elem)
			}
		}
	}
}

var varsType = &Type{Form: Map, Names: &Type{}, Elem: &Type{Form: Variable}}

func (k *keys) vars(name string, into *map[string]Var) {
	if v := k.find(name, varsType); v != nil {
		*into = decodeMap(k.decoder, k.at.key(name), v, (*decoder).variable)
	}
}

// query is a word or an object of edits.
func (k *keys) query(name string, into *Query, t *Type) {
	if k.is != nil {
		whole := *t
		whole.Keys = describe(&QueryEdits{}, nil).Keys
		t = &whole
	}

	v := k.find(name, t)
	switch {
	case k.visit != nil && into.Edits != nil:
		into.Edits.keys(k.within(name, nil))
	case v == nil:
	case v.kind == kindObject:
		into.Edits = &QueryEdits{}
		k.decoder.object(k.at.key(name), v, into.Edits, nil)
	default:
		into.Drop = k.decoder.word(k.at.key(name), v, t.Words) == "drop"
	}
}

// within visits the object at a key.
func (k *keys) within(name string, of *Type) *keys {
	return &keys{visit: k.visit, at: k.at.key(name), of: of}
}

// object is a struct that is always there.
func (k *keys) object(name string, into keyed) {
	switch {
	case k.is != nil:
		k.find(name, describe(into, nil))
	case k.visit != nil:
		into.keys(k.within(name, nil))
	default:
		if v := k.find(name, noType); v != nil {
			k.decoder.object(k.at.key(name), v, into, nil)
		}
	}
}

var noType = &Type{}

// given reports whether an object has a key with a value.
func (k *keys) given(name string) bool {
	for i := range k.members {
		if k.members[i].key == name {
			return k.members[i].value.kind != kindNull
		}
	}
	return false
}

// optional is a struct that is there where its key is.
func optional[T any, P interface {
	*T
	keyed
}](k *keys, name string, into **T) {
	if *into == nil && k.is == nil {
		if !k.given(name) {
			k.find(name, noType)
			return
		}

		*into = new(T)
	}
	if k.is != nil {
		k.object(name, P(new(T)))
		return
	}
	k.object(name, P(*into))
}

// objects is a list of structs.
func objects[T any, P interface {
	*T
	keyed
}](k *keys, name string, into *[]T, t *Type) {
	if k.is != nil {
		whole := *t
		whole.Elem = describe(P(new(T)), t)
		t = &whole
	}
	if v := k.find(name, t); v != nil && k.decoder.list(k.at.key(name), v, t) {
		at := k.at.key(name)

		*into = make([]T, len(v.list))
		for i := range v.list {
			k.decoder.object(at.item(i), &v.list[i], P(&(*into)[i]), t)
		}
	}
	if k.visit != nil {
		for i := range *into {
			at := k.at.key(name).item(i)
			P(&(*into)[i]).keys(&keys{visit: k.visit, at: at, of: t})
		}
	}
}

// What excludes or needs what is found when the configuration is compiled; the
// table says it for the schema.

func (k *keys) exactlyOne(of []string) {
	if k.is != nil {
		k.is.ExactlyOne = of
	}
}

func (k *keys) atMostOne(of []string) {
	if k.is != nil {
		k.is.AtMostOne = of
	}
}

func (k *keys) atLeastOne(of []string) {
	if k.is != nil {
		k.is.AtLeastOne = of
	}
}

// wanted says what a number should be.
func (t *Type) wanted() string {
	if t.Numbers == nil {
		return "want " + t.What + " from " + strconv.Itoa(t.Min) + " to " + strconv.Itoa(t.Max)
	}

	texts := make([]string, len(t.Numbers))
	for i, n := range t.Numbers {
		texts[i] = strconv.Itoa(n)
	}
	return "want " + either(texts)
}
