// Package answers is what the playground's page asks, and what it is answered: the page itself knows nothing of the
// language. A question and its answer are JSON.
package answers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
)

// Question is what the page holds when it asks; each question uses what it needs.
type Question struct {
	Values          string `json:"values"`
	Workload        string `json:"workload"`
	Method          string `json:"method"`
	URL             string `json:"url"`
	Headers         string `json:"headers"` // one a line
	Status          string `json:"status"`
	ResponseHeaders string `json:"responseHeaders"`
	Old             string `json:"old"`
	New             string `json:"new"`
	Log             string `json:"log"`
}

// Desk answers questions. It is of one goroutine.
type Desk struct {
	module  *compiled.Module
	digest  string
	running *running // what the module ran last
}

// running is a configuration in force in the module.
type running struct {
	config  string
	subject exchange.Subject
}

// Module hands over the shipped filter, in which every request is tried too.
func (d *Desk) Module(ctx context.Context, wasm []byte) error {
	module, err := compiled.Compile(ctx, wasm)
	if err != nil {
		return err
	}

	sum := sha256.Sum256(wasm)
	d.module, d.digest = module, hex.EncodeToString(sum[:])
	return nil
}

// Digest is the SHA-256 of the filter.
func (d *Desk) Digest() string { return d.digest }

// Answer answers one question.
func (d *Desk) Answer(ctx context.Context, call string, input []byte) ([]byte, error) {
	var q Question
	if err := json.Unmarshal(input, &q); err != nil {
		return nil, err
	}

	asked := map[string]func(context.Context, *Question) any{
		"try":    func(ctx context.Context, q *Question) any { return d.try(ctx, q) },
		"lint":   func(_ context.Context, q *Question) any { return lintText(q.Values) },
		"tests":  func(ctx context.Context, q *Question) any { return d.tests(ctx, q) },
		"change": func(_ context.Context, q *Question) any { return compare(q) },
		"keep":   func(_ context.Context, q *Question) any { return keep(q) },
	}[call]
	if asked == nil {
		return nil, fmt.Errorf("%s is not a question", call)
	}

	return json.Marshal(asked(ctx, &q))
}

// problem is an error as the page shows it.
func problem(err error) string {
	text := strings.TrimSpace(err.Error())
	lines := strings.Split(text, "\n")
	const most = 20
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d more", len(lines)-most))
	}
	return strings.Join(lines, "\n")
}

// start puts a configuration in force in the module, unless it is already.
func (d *Desk) start(ctx context.Context, config []byte, start func() (exchange.Subject, error)) (exchange.Subject, error) {
	if d.running != nil && d.running.config == string(config) {
		return d.running.subject, nil
	}
	if d.running != nil {
		err := d.running.subject.Close(ctx)
		d.running = nil
		if err != nil {
			return nil, err
		}
	}

	subject, err := start()
	if err != nil {
		return nil, err
	}

	d.running = &running{string(config), subject}

	return subject, nil
}

var errNoWorkload = errors.New("there is no workload in these values: write workloads, and rules below one of them")
