// Mutate changes the rule engine in one place at a time and says which changes
// no test notices: a condition that always or never holds, a limit that is off
// by one, an operator that is another one, a statement that is left out, a text
// that is empty. All changes are compiled into one test binary, in which the
// case table and the tests run on each of them.
//
//	mutate [-only file.go] package-folder survivors-file
//
// The survivors file lists the changes that make no difference a test could
// see, each below the reason why:
//
//	# It only saves a walk.
//	match.go (*Stream).matches: p.captures > 0 → true
//
// The run fails where a change survives that is not listed, or where one is
// listed that does not survive.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("only", "", "mutate this file alone, and compare with no list")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: mutate [flags] package-folder survivors-file")
		os.Exit(2)
	}
	if err := mutate(flag.Arg(0), flag.Arg(1), *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func mutate(dir, list, only string) error {
	known, err := readList(list)
	if err != nil {
		return err
	}

	scratch, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	m, err := instrument(dir, scratch, only)
	if err != nil {
		return err
	}

	binary := filepath.Join(scratch, "mutants.test")
	build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(scratch, "overlay.json"), "-o", binary, "./"+filepath.ToSlash(dir))
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the mutants: %w\n%s", err, out)
	}
	if out, killed := try(binary, dir, nil, 0, 5*time.Minute); killed {
		return fmt.Errorf("the tests fail without a mutation:\n%s", out)
	}

	survivors, err := inOneProcess(m.mutants, binary, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%d mutants, %d survive the case table and the tests\n", len(m.mutants), len(survivors))
	survivors = each(survivors, func(id int) bool {
		_, killed := try(binary, dir, []string{"-test.run", "^(TestCases|FuzzJSON|FuzzSimple)$"}, id, time.Minute)
		return !killed
	})
	fmt.Printf("%d survive the fuzz targets\n", len(survivors))

	return compare(survivors, known, list, only != "")
}

// mutant is one change.
type mutant struct {
	id  int
	key string // file, function, what was there and what is there instead
	at  token.Position
}

func compare(survivors []mutant, known map[string]bool, list string, partly bool) error {
	bad := 0
	for _, s := range survivors {
		if !known[s.key] {
			bad++
			fmt.Printf("survives: %s:%d: %s\n", s.at.Filename, s.at.Line, s.key)
		}
		delete(known, s.key)
	}
	if !partly {
		for _, key := range slices.Sorted(maps(known)) {
			bad++
			fmt.Printf("%s: listed, but killed or gone: %s\n", list, key)
		}
	}
	if bad > 0 {
		return errors.New("add a case that fails for each, or list it with the reason why none can")
	}

	return nil
}

func maps(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func readList(file string) (map[string]bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()

	known, reason := map[string]bool{}, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "#"):
			reason = true
		case line == "":
			reason = false
		case !reason:
			return nil, fmt.Errorf("%s: no reason above %q", file, line)
		default:
			known[line] = true
		}
	}

	return known, nil
}

// inOneProcess gives the mutants that neither the case table nor a test notices.
// A process for each processor takes them in turn; one that hangs or dies has
// found a mutant that is noticed.
func inOneProcess(mutants []mutant, binary, dir string) (survivors []mutant, err error) {
	var (
		wait   sync.WaitGroup
		lock   sync.Mutex
		killed = map[int]bool{}
		tried  int
	)

	share := (len(mutants) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	for part := range slices.Chunk(mutants, max(1, share)) {
		wait.Go(func() {
			for len(part) > 0 {
				done, dead, failure := stretch(part, binary, dir)
				lock.Lock()

				for _, id := range dead {
					killed[id] = true
				}

				err = errors.Join(err, failure)
				tried += done
				fmt.Fprintf(os.Stderr, "%d of %d mutants tried\n", tried, len(mutants))
				lock.Unlock()
				if failure != nil {
					return
				}

				part = part[done:]
			}
		})
	}
	wait.Wait()

	return slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return killed[m.id] }), err
}

// stretch runs one process over as many mutants as it stands.
func stretch(part []mutant, binary, dir string) (done int, killed []int, err error) {
	var ids []string
	for _, m := range part {
		ids = append(ids, strconv.Itoa(m.id))
	}

	cmd := exec.Command("sh", "-c", limits, "sh", binary, "-test.run", "^TestMutants$", "-test.timeout", "0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MUTANTS="+strings.Join(ids, ","), "GOMAXPROCS=2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	// The first answer comes after a run without a mutation, the others soon.
	watchdog := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20) // a failing test may print all of a long value in one line

	for lines.Scan() {
		word, id, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ready":
		case "tests":
			watchdog.Reset(time.Minute)
			continue
		case "killed", "survived":
			if n, err := strconv.Atoi(id); err == nil && word == "killed" {
				killed = append(killed, n)
			}
			done++
		default:
			continue
		}
		watchdog.Reset(8 * time.Second)
	}
	watchdog.Stop()

	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if done < len(part) {
		killed = append(killed, part[done].id)
		done++
	}

	return done, killed, nil
}

// each runs the test on all mutants, on all processors, and gives those for which it holds.
func each(mutants []mutant, test func(id int) bool) (kept []mutant) {
	next, mark := make(chan int), make([]bool, len(mutants))

	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range next {
				mark[i] = test(mutants[i].id)
			}
		})
	}

	for i := range mutants {
		next <- i
	}
	close(next)
	wait.Wait()

	for i, m := range mutants {
		if mark[i] {
			kept = append(kept, m)
		}
	}

	return kept
}

// limits bounds the memory of what an endless loop appends to.
const limits = `ulimit -v 8000000; exec "$@"`

// try runs tests with one mutation, or with none for 0. An endless loop is as
// good as a failure.
func try(binary, dir string, args []string, id int, limit time.Duration) (out []byte, killed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", limits, "sh", binary, "-test.failfast"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MUTANT="+strconv.Itoa(id), "GOMAXPROCS=1")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return out, err != nil
}

// helpers is compiled into the package next to the mutants. A text or number is
// changed where it is read, so that it stays what it is in a declaration.
const helpers = `package %s

import ("os"; "strconv")

// MutantID is the mutant that is in force; below 0, MutantReached notes which ones could be.
var MutantID = func() int { n, _ := strconv.Atoi(os.Getenv("MUTANT")); return n }()

var MutantReached [1 << 16]bool

func mutantIs(id int) bool {
	if MutantID < 0 {
		MutantReached[id] = true
	}
	return MutantID == id
}

type mutantNumber interface{ ~int|~int8|~int16|~int32|~int64|~uint|~uint8|~uint16|~uint32|~uint64|~float32|~float64 }
type mutantInteger interface{ ~int|~int8|~int16|~int32|~int64|~uint|~uint8|~uint16|~uint32|~uint64 }

func mutantText[T ~string](id int, s T) T { if mutantIs(id) { return "" }; return s }
func mutantOneMore[T mutantNumber](id int, n T) T { if mutantIs(id) { return n + 1 }; return n }
func mutantLess[T mutantNumber](id int, a, b T) bool { if mutantIs(id) { return a <= b }; return a < b }
func mutantLessEqual[T mutantNumber](id int, a, b T) bool { if mutantIs(id) { return a < b }; return a <= b }
func mutantMore[T mutantNumber](id int, a, b T) bool { if mutantIs(id) { return a >= b }; return a > b }
func mutantMoreEqual[T mutantNumber](id int, a, b T) bool { if mutantIs(id) { return a > b }; return a >= b }
func mutantPlus[T mutantNumber](id int, a, b T) T { if mutantIs(id) { return a - b }; return a + b }
func mutantMinus[T mutantNumber](id int, a, b T) T { if mutantIs(id) { return a + b }; return a - b }
func mutantTimes[T mutantNumber](id int, a, b T) T { if mutantIs(id) { return a + b }; return a * b }
func mutantOver[T mutantNumber](id int, a, b T) T { if mutantIs(id) { return a * b }; return a / b }
func mutantRest[T mutantInteger](id int, a, b T) T { if mutantIs(id) { return a / b }; return a %% b }
func mutantAnd[T mutantInteger](id int, a, b T) T { if mutantIs(id) { return a | b }; return a & b }
func mutantOr[T mutantInteger](id int, a, b T) T { if mutantIs(id) { return a & b }; return a | b }
func mutantXor[T mutantInteger](id int, a, b T) T { if mutantIs(id) { return a | b }; return a ^ b }
func mutantLeft[T, U mutantInteger](id int, a T, b U) T { if mutantIs(id) { return a >> b }; return a << b }
func mutantRight[T, U mutantInteger](id int, a T, b U) T { if mutantIs(id) { return a << b }; return a >> b }
`

// internalTests hands the tests that are inside the package to the one that runs the mutants.
const internalTests = `package %s

import "testing"

var MutantTests = []testing.InternalTest{%s}
`

// runner runs the case table and then the tests on mutants, in one process. A
// package variable has its value before: its mutants get a process of their own.
const runner = `package %[1]s_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"%[2]s"
	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
)

func TestMutants(t *testing.T) {
	list := os.Getenv("MUTANTS")
	if list == "" {
		return
	}
	cases, err := rewritetest.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	reached := map[int][]int{}
	for i, c := range cases {
		clear(%[1]s.MutantReached[:])
		%[1]s.MutantID = -1
		if noticed(c) {
			t.Fatal("the case table fails without a mutation: " + c.Name)
		}
		for id, is := range %[1]s.MutantReached {
			if is {
				reached[id] = append(reached[id], i)
			}
		}
	}
	tests := append(%[1]s.MutantTests, []testing.InternalTest{%[3]s}...)
	took := map[string]time.Duration{}
	for _, test := range tests {
		start := time.Now()
		%[1]s.MutantID = 0
		if fails(test) {
			t.Fatal(test.Name + " fails without a mutation")
		}
		took[test.Name] = time.Since(start)
	}
	slices.SortStableFunc(tests, func(a, b testing.InternalTest) int { return int(took[a.Name] - took[b.Name]) })
	fmt.Println("ready")
	for text := range strings.SplitSeq(list, ",") {
		id, _ := strconv.Atoi(text)
		%[1]s.MutantID = id
		killed := slices.ContainsFunc(reached[id], func(i int) bool { return noticed(cases[i]) })
		if !killed {
			fmt.Println("tests", id)
			killed = slices.ContainsFunc(tests, fails)
		}
		if killed {
			fmt.Println("killed", id)
		} else {
			fmt.Println("survived", id)
		}
	}
}

func fails(test testing.InternalTest) bool {
	return !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test})
}

func noticed(c rewritetest.Case) (noticed bool) {
	defer func() { noticed = noticed || recover() != nil }()
	subject, errors := rewritetest.Native(nil, c.Config)
	if c.Errors != nil || errors != nil {
		return !slices.Equal(errors, c.Errors)
	}
	for _, x := range c.Exchanges {
		seen, err := subject.Exchange(x)
		if err != nil || len(x.Differences(seen)) > 0 {
			return true
		}
	}
	return false
}
`

// slow are tests of how long something takes, and of what the table shows faster.
var slow = []string{"TestCases", "TestManyPatternsCompileQuickly", "TestManyFaultsAreFoundQuickly", "TestAnyRulesOnAnyRequest"}

// tests lists the tests in files as elements of a []testing.InternalTest.
func tests(dir string, files []string) (string, error) {
	var list strings.Builder
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return "", err
		}

		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && !slices.Contains(slow, f.Name.Name) {
				fmt.Fprintf(&list, "{Name: %q, F: %s}, ", f.Name.Name, f.Name.Name)
			}
		}
	}

	return list.String(), nil
}
