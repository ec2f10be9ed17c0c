package answers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/explain"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// attempt is the answer to try: what becomes of one request.
type attempt struct {
	Kind        input.Kind   `json:"kind,omitempty"`
	Workloads   []string     `json:"workloads"`
	Workload    string       `json:"workload"`
	Problem     string       `json:"problem,omitempty"`
	Verdict     string       `json:"verdict"`
	Explanation *explanation `json:"explanation,omitempty"`
	Module      *agreement   `json:"module,omitempty"`
	Steps       *cost        `json:"steps,omitempty"`
}

// explanation is package explain's, with messages as text.
type explanation struct {
	Request         []step           `json:"request"`
	Untried         int              `json:"untried"`
	Outside         []explain.Change `json:"outside"`
	Response        []step           `json:"response"`
	OutsideResponse []explain.Change `json:"outsideResponse"`
	Sent            string           `json:"sent"`
	Upstream        string           `json:"upstream,omitempty"`
	Answer          string           `json:"answer,omitempty"`
	Client          string           `json:"client"`
}

// step is one pattern's fate, with what its regexes captured.
type step struct {
	explain.Step
	Captures []capture `json:"captures,omitempty"`
	Path     *marked   `json:"path,omitempty"`
}

// cost is the work that the request pass took of what one request may take.
type cost struct {
	Used   int `json:"used"`
	Budget int `json:"budget"`
}

func count(rules *rewrite.Rules, request message.Message) *cost {
	stream := rules.NewStream()
	stream.Request(exchange.Source(message.NewRequestHeaders(request.Headers...)))
	return &cost{rewrite.Budget - stream.Left(), rewrite.Budget}
}

// agreement says whether the shipped module makes the same of the request.
type agreement struct {
	Agrees      bool     `json:"agrees"`
	Differences []string `json:"differences,omitempty"`
}

func (d *Desk) try(ctx context.Context, q *Question) *attempt {
	a := &attempt{Workloads: []string{}}
	if err := d.attempt(ctx, q, a); err != nil {
		a.Problem = problem(err)
	}
	return a
}

func (d *Desk) attempt(ctx context.Context, q *Question, a *attempt) error {
	in, err := read(q.Values)
	if err != nil {
		return err
	}

	a.Kind = in.Kind
	for _, w := range in.Workloads {
		a.Workloads = append(a.Workloads, w.Name)
	}

	w, err := pick(in, q.Workload)
	if err != nil {
		return err
	}

	a.Workload = w.Name
	request, response, err := q.exchange()
	if err != nil {
		return err
	}

	config, rules, err := rewrite.Read(w.Config)
	if err != nil {
		return err
	}

	// The engine explains; engine and module then do it once more, to be compared.
	e, err := explain.Explain(config, request, response)
	if err != nil {
		return err
	}

	a.Explanation = show(config, request, e)
	a.Verdict = verdict(request, e)
	a.Steps = count(rules, request)
	a.Module, err = d.agree(ctx, w.Config, config, rules, request, response)

	return err
}

// exchange is the request and the upstream's answer as they were typed.
func (q *Question) exchange() (request, response message.Message, err error) {
	request, err = exchange.ParseRequest(strings.ToUpper(strings.TrimSpace(q.Method)), strings.TrimSpace(q.URL), lines(q.Headers))
	if err != nil {
		return request, response, err
	}

	status, err := strconv.Atoi(strings.TrimSpace(q.Status))
	if err != nil || status < 100 || status > 599 {
		return request, response, fmt.Errorf("%q: want a status from 100 to 599", q.Status)
	}

	headers, err := exchange.ParseHeaders("response header", lines(q.ResponseHeaders))

	return request, exchange.Response(status, headers), err
}

func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// agree puts the exchange through engine and module.
func (d *Desk) agree(ctx context.Context, text []byte, config *rewrite.Config, rules *rewrite.Rules, request, response message.Message) (*agreement, error) {
	if d.module == nil {
		return nil, nil
	}

	subject, err := d.start(ctx, text, func() (exchange.Subject, error) {
		certain, err := compiled.WithoutRandom(text, config)
		if err != nil {
			return nil, err
		}
		return d.module.Start(ctx, certain, config, rules)
	})
	if err != nil {
		return &agreement{Differences: []string{err.Error()}}, nil
	}

	native, err := exchange.Native(rules).Exchange(ctx, request, response)
	if err != nil {
		return nil, err
	}

	shipped, err := subject.Exchange(ctx, request, response)
	if err != nil {
		d.running = nil // a module that failed serves nothing any more
		return &agreement{Differences: []string{err.Error()}}, nil
	}

	list := differences(native, shipped)

	return &agreement{len(list) == 0, list}, nil
}

func differences(engine, module exchange.Seen) (list []string) {
	for _, one := range change.Differences(engine, module) {
		list = append(list, fmt.Sprintf("%s: engine %q, module %q", one.What, one.Old, one.New))
	}
	if !slices.Equal(engine.Acted, module.Acted) {
		list = append(list, fmt.Sprintf("patterns: engine %q, module %q", engine.Acted, module.Acted))
	}
	if engine.Client.Body != module.Client.Body {
		list = append(list, "the body of the answer")
	}
	return list
}

// verdict is one sentence for the impatient and for screen readers.
func verdict(request message.Message, e *explain.Explanation) string {
	var acted []string
	for _, s := range append(slices.Clone(e.Request), e.Response...) {
		if s.Verdict == "acted" && !slices.Contains(acted, s.Pattern) {
			acted = append(acted, s.Pattern)
		}
	}

	who := "No pattern acted"
	if len(acted) > 0 {
		who = strings.Join(acted, ", ") + " acted"
	}

	status := exchange.Value(e.Client, ":status")
	if e.Upstream == nil {
		text := fmt.Sprintf("%s. The filter answers %s with %s", who, exchange.Line(request), status)
		if to := exchange.Value(e.Client, "location"); to != "" {
			text += ", to " + to
		}
		return text + "."
	}

	return fmt.Sprintf("%s. %s goes upstream as %s; the client gets %s.", who, exchange.Line(request), exchange.Line(*e.Upstream), status)
}

func show(config *rewrite.Config, request message.Message, e *explain.Explanation) *explanation {
	out := &explanation{
		Untried: e.Untried, Outside: e.Outside, OutsideResponse: e.OutsideResponse,
		Sent: wire(&request), Client: wire(&e.Client),
	}
	if e.Upstream != nil {
		out.Upstream = wire(e.Upstream)
	}
	if e.Answer != nil {
		out.Answer = wire(e.Answer)
	}

	now := current{path: exchange.Value(request, ":path"), host: exchange.Value(request, ":authority")}

	byName := map[string]*rewrite.Pattern{}
	for i := range config.Patterns {
		name := config.Patterns[i].Name
		if name == "" {
			name = "pattern-" + strconv.Itoa(i)
		}

		byName[name] = &config.Patterns[i]
	}

	out.Request = make([]step, 0, len(e.Request))
	for _, s := range e.Request {
		one := step{Step: s}
		if p := byName[s.Pattern]; p != nil && s.Verdict != "not matched" && s.Verdict != "disabled" {
			one.Captures, one.Path = now.captures(config, p)
		}
		now.follow(s.Changes)

		out.Request = append(out.Request, one)
	}

	out.Response = make([]step, 0, len(e.Response))
	for _, s := range e.Response {
		out.Response = append(out.Response, step{Step: s})
	}

	return out
}

// wire shows a message much as it is on the wire.
func wire(m *message.Message) string {
	get := func(name string) string { return exchange.Value(*m, name) }
	var b strings.Builder
	if status := get(":status"); status != "" {
		b.WriteString(status + "\n")
	} else {
		b.WriteString(strings.TrimSpace(get(":method")+" "+get(":path")) + "\nhost: " + get(":authority") + "\nscheme: " + get(":scheme") + "\n")
	}

	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			b.WriteString(h.Name + ": " + h.Value + "\n")
		}
	}
	if m.Body != "" {
		b.WriteString("\n" + m.Body)
	}

	return b.String()
}
