// Command bench is behind `make bench`: what a request costs with the filter,
// compared with other ways to do the same work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	envoy, modules, out string
	upstream            string
	batch               int // requests a target gets in a round
	minRounds           int
	maxRounds           int
}

// profile is how much is measured, and for how long.
type profile struct {
	scenarios []scenario
	latency   time.Duration // for each contender, all rounds together
	costs     int           // rounds of starting Envoy and of configuring it
}

var counts = []int{1, 10, 100, 1000}

var inPatterns = []string{ours, native, lua, rust}

func profiles() map[string]profile {
	kinds := func(names []string, seconds time.Duration) (list []scenario) {
		for _, kind := range []string{"exact", "prefix", "regex"} {
			list = append(list, manyScenario(kind, names, counts, seconds*time.Second))
		}
		return list
	}

	return map[string]profile{
		"quick": {scenarios: []scenario{
			seedScenario(everybody(), 8, 35*time.Second),
			noMatchScenario(general(), 25*time.Second),
			manyScenario("mixed", []string{ours}, []int{1, 1000}, 15*time.Second),
		}},
		"startup": {costs: 3},
		"builds": {scenarios: []scenario{
			seedScenario(between(), 8, 30*time.Second),
			noMatchScenario(between(), 30*time.Second),
			manyScenario("mixed", append([]string{ours}, otherBuilds()...), []int{1, 1000}, 20*time.Second),
		}},
		"normal": {scenarios: append([]scenario{
			seedScenario(everybody(), 8, 50*time.Second),
			noMatchScenario(general(), 40*time.Second),
			headersScenario(25 * time.Second),
			fortyScenario(25 * time.Second),
			seedScenario(withoutLogs(), 1000, 40*time.Second),
			manyScenario("mixed", inPatterns, counts, 70*time.Second),
		}, kinds([]string{ours}, 15)...), latency: 6 * time.Second, costs: 3},
		"full": {scenarios: append([]scenario{
			seedScenario(everybody(), 8, 120*time.Second),
			noMatchScenario(general(), 120*time.Second),
			headersScenario(90 * time.Second),
			fortyScenario(90 * time.Second),
			seedScenario(everybody(), 1000, 120*time.Second),
			manyScenario("mixed", inPatterns, counts, 240*time.Second),
		}, kinds(inPatterns, 240)...), latency: 60 * time.Second, costs: 9},
	}
}

func main() {
	b := &bench{batch: 250, minRounds: 10, maxRounds: 2000}
	var name, command string
	flag.StringVar(&b.envoy, "envoy", "", "program")
	flag.StringVar(&b.modules, "modules", "", "folder of the modules to compare")
	flag.StringVar(&b.out, "out", "", "folder for the results, made where it is missing")
	flag.StringVar(&name, "profile", "", "quick, normal, full, builds or startup")
	flag.Func("build", "NAME=FILE: another build of the filter, measured along with this one; may be repeated", addBuild)
	flag.StringVar(&command, "command", "", "what to name as the command in the results")

	soakFile := flag.String("soak", "", "rules and requests of a soak, instead of a profile")
	requests := flag.Int("requests", 10_000_000, "how many a soak sends")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "bench: -out:", err)
		os.Exit(2)
	}
	if *soakFile != "" {
		if err := b.soak(ctx, *soakFile, *requests, command); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			os.Exit(1)
		}
		return
	}

	p, ok := profiles()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "-profile %q: want quick, normal, full, builds or startup\n", name)
		os.Exit(2)
	}
	if err := b.main(ctx, p, command); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) main(ctx context.Context, p profile, command string) (err error) {
	if err := b.prepare(p); err != nil {
		return err
	}

	address, stop, err := serveUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	b.upstream = address

	r := report{Command: command, Began: time.Now().UTC().Truncate(time.Second), Machine: b.machine(), Contenders: b.contenders()}
	for _, s := range p.scenarios {
		fmt.Fprintf(os.Stderr, "%s (%s)\n", s.title, s.during)
		samples, batch, err := b.run(ctx, s)
		if err != nil {
			return err
		}

		r.Scenarios = append(r.Scenarios, conclude(s, samples, batch))
	}
	if p.latency > 0 {
		fmt.Fprintf(os.Stderr, "latency at %d requests a second\n", rate)
		if r.Latency, err = b.latency(ctx, seedScenario(withoutLogs(), 8, 0), p.latency); err != nil {
			return err
		}
	}
	if p.costs > 0 {
		fmt.Fprintln(os.Stderr, "loading, memory, configuration")
		if r.Startups, err = b.startups(ctx, p.costs); err != nil {
			return err
		}

		if r.FirstUses, err = b.firstUses(ctx, p.costs); err != nil {
			return err
		}

		if r.Costs, err = b.costs(ctx, p.costs); err != nil {
			return err
		}
	}
	r.judge()

	return r.write(b.out)
}

// prepare sees to what a run needs of the machine.
func (b *bench) prepare(p profile) error {
	var missing []string
	for _, c := range contenders {
		if c.module != "" {
			if _, err := os.Stat(c.file(b.modules)); err != nil {
				missing = append(missing, err.Error())
			}
		}
	}
	if missing != nil {
		return errors.New("modules are missing:\n  " + strings.Join(missing, "\n  "))
	}
	// The connections of all targets stay open, on both sides of Envoy.
	need := uint64(0)
	for _, s := range p.scenarios {
		need = max(need, uint64((len(s.targets)+2)*s.connections+500))
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < need {
		return fmt.Errorf("%d open files are needed, and the hard limit is %d: raise it (ulimit -Hn), or run make bench-quick", need, limit.Max)
	}

	limit.Cur = limit.Max

	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
