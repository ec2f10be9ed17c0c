// Mutate changes the rule engine in one place at a time and tells which changes
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
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	key string // file, function, what stood there and what stands there instead
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

// helpers is compiled into the package beside the mutants. A text or number is
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

// operators says how a binary operator is mutated.
var operators = map[token.Token]struct{ helper, instead string }{
	token.LSS: {"mutantLess", "<="}, token.LEQ: {"mutantLessEqual", "<"},
	token.GTR: {"mutantMore", ">="}, token.GEQ: {"mutantMoreEqual", ">"},
	token.ADD: {"mutantPlus", "-"}, token.SUB: {"mutantMinus", "+"},
	token.MUL: {"mutantTimes", "+"}, token.QUO: {"mutantOver", "*"}, token.REM: {"mutantRest", "/"},
	token.AND: {"mutantAnd", "|"}, token.OR: {"mutantOr", "&"}, token.XOR: {"mutantXor", "|"},
	token.SHL: {"mutantLeft", ">>"}, token.SHR: {"mutantRight", "<<"},
}

// mutator puts mutants into the files of one package.
type mutator struct {
	fset    *token.FileSet
	info    *types.Info
	pkg     *types.Package
	mutants []mutant
	seen    map[string]int
	// Of the file at hand.
	source []byte
	name   string
	where  string // the function
	edits  []edit
}

// edit replaces source text.
type edit struct {
	from, to int
	text     string
	depth    int // of edits at one place: ends, inner first, are negative; begins, outer first, positive
}

// instrument writes the package's files with all mutants, and an overlay for
// go build that puts them in place.
func instrument(dir, scratch, only string) (*mutator, error) {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}

	out, err := exec.Command("go", "list", "./"+filepath.ToSlash(dir)).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}

	importPath := strings.TrimSpace(string(out))
	m := &mutator{fset: token.NewFileSet(), seen: map[string]int{}, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}}

	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(m.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}

		files = append(files, file)
	}

	checker := types.Config{Importer: importer.ForCompiler(m.fset, "source", nil)}
	if m.pkg, err = checker.Check(dir, m.fset, files, m.info); err != nil {
		return nil, err
	}

	replace := map[string]string{}

	put := func(name string, data []byte) error {
		full, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return err
		}

		replace[full] = filepath.Join(scratch, name)
		return os.WriteFile(replace[full], data, 0o600)
	}
	for i, name := range pkg.GoFiles {
		if only != "" && name != only {
			continue
		}

		data, err := m.file(files[i], dir, name)
		if err != nil {
			return nil, err
		}
		if err := put(name, data); err != nil {
			return nil, err
		}
	}
	if err := put("zz_mutants.go", fmt.Appendf(nil, helpers, pkg.Name)); err != nil {
		return nil, err
	}

	inside, err := tests(dir, pkg.TestGoFiles)
	if err != nil {
		return nil, err
	}
	if err := put("zz_mutants_inside_test.go", fmt.Appendf(nil, internalTests, pkg.Name, inside)); err != nil {
		return nil, err
	}

	outside, err := tests(dir, pkg.XTestGoFiles)
	if err != nil {
		return nil, err
	}
	if err := put("zz_mutants_test.go", fmt.Appendf(nil, runner, pkg.Name, importPath, outside)); err != nil {
		return nil, err
	}

	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}

	return m, os.WriteFile(filepath.Join(scratch, "overlay.json"), overlay, 0o600)
}

func (m *mutator) file(file *ast.File, dir, name string) (out []byte, err error) {
	if m.source, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
		return nil, err
	}

	m.name, m.edits = name, nil
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			m.where = d.Name.Name
			if d.Recv != nil {
				m.where = "(" + m.text(d.Recv.List[0].Type) + ")." + m.where
			}
			m.stmt(d.Body, 0)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR {
					m.where = v.Names[0].Name
					for _, value := range v.Values {
						m.expr(value, 0)
					}
				}
			}
		}
	}
	slices.SortStableFunc(m.edits, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.depth - b.depth
	})
	var b bytes.Buffer

	at := 0
	for _, e := range m.edits {
		b.Write(m.source[at:e.from])
		b.WriteString(e.text)
		at = e.to
	}
	b.Write(m.source[at:])

	return b.Bytes(), nil
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *mutator) text(n ast.Node) string {
	return string(m.source[m.offset(n.Pos()):m.offset(n.End())])
}

// wrap puts text around a node. Depth grows inwards and is positive.
func (m *mutator) wrap(n ast.Node, before, after string, depth int) {
	from, to := m.offset(n.Pos()), m.offset(n.End())
	m.edits = append(m.edits, edit{from, from, before, depth + 1}, edit{to, to, after, -depth - 1})
}

var spaces = regexp.MustCompile(`\s+`)

// mutant notes one change and gives its number.
func (m *mutator) mutant(n ast.Node, instead string) int {
	was := spaces.ReplaceAllString(m.text(n), " ")
	if len(was) > 100 {
		was = was[:100] + "…"
	}

	key := m.name + " " + m.where + ": " + was + " → " + instead
	m.seen[key]++
	if k := m.seen[key]; k > 1 {
		key += fmt.Sprintf(" (%d)", k)
	}

	id := len(m.mutants) + 1
	m.mutants = append(m.mutants, mutant{id, key, m.fset.Position(n.Pos())})

	return id
}

func (m *mutator) stmts(list []ast.Stmt, depth int) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt:
			m.leaveOut(s, depth)
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && m.text(s.Lhs[0]) != "_" {
				m.leaveOut(s, depth)
			}
		}
		m.stmt(s, depth+1)
	}
}

func (m *mutator) leaveOut(s ast.Stmt, depth int) {
	m.wrap(s, fmt.Sprintf("if !mutantIs(%d) { ", m.mutant(s, "nothing")), " }", depth)
}

func (m *mutator) stmt(s ast.Stmt, depth int) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		if s != nil {
			m.stmts(s.List, depth+1)
		}
	case *ast.IfStmt:
		m.stmt(s.Init, depth+1)
		m.expr(s.Cond, depth+1)
		m.stmt(s.Body, depth+1)
		m.stmt(s.Else, depth+1)
	case *ast.ForStmt:
		m.stmt(s.Init, depth+1)
		if s.Cond != nil {
			m.expr(s.Cond, depth+1)
		}
		m.stmt(s.Post, depth+1)
		m.stmt(s.Body, depth+1)
	case *ast.RangeStmt:
		m.expr(s.X, depth+1)
		m.stmt(s.Body, depth+1)
	case *ast.SwitchStmt:
		m.stmt(s.Init, depth+1)
		if s.Tag != nil {
			m.expr(s.Tag, depth+1)
		}
		m.stmt(s.Body, depth+1)
	case *ast.CaseClause:
		for _, e := range s.List {
			m.expr(e, depth+1)
		}
		m.stmts(s.Body, depth+1)
	case *ast.ExprStmt:
		m.inside(s.X, depth+1)
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			m.inside(e, depth+1)
		}

		for _, e := range s.Rhs {
			m.expr(e, depth+1)
		}
	case *ast.ReturnStmt:
		for _, e := range s.Results {
			m.expr(e, depth+1)
		}
	case *ast.DeferStmt:
		m.inside(s.Call, depth+1)
	case *ast.LabeledStmt:
		m.stmt(s.Stmt, depth+1)
	case *ast.DeclStmt:
		if d, ok := s.Decl.(*ast.GenDecl); ok && d.Tok == token.VAR {
			for _, spec := range d.Specs {
				for _, e := range spec.(*ast.ValueSpec).Values {
					m.expr(e, depth+1)
				}
			}
		}
	}
}

// expr mutates an expression whose value is used.
func (m *mutator) expr(e ast.Expr, depth int) {
	tv, ok := m.info.Types[e]
	if !ok || tv.IsType() || tv.IsNil() {
		m.inside(e, depth+1)
		return
	}

	basic, isBasic := tv.Type.Underlying().(*types.Basic)
	switch {
	case tv.Value != nil:
		m.constant(e, tv, depth)
		return
	case isBasic && basic.Info()&types.IsBoolean != 0 && tv.IsValue():
		if !isLogic(e) {
			id := m.mutant(e, "true")
			m.mutant(e, "false")
			m.wrap(e, fmt.Sprintf("(mutantIs(%d) || !mutantIs(%d) && (", id, id+1), "))", depth)
		}
	}
	if b, ok := e.(*ast.BinaryExpr); ok && isBasic {
		m.binary(b, depth+1)
	}
	m.inside(e, depth+2)
}

// isLogic tells whether an expression is made of conditions that are mutated themselves.
func isLogic(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return true
	case *ast.BinaryExpr:
		return e.Op == token.LAND || e.Op == token.LOR
	case *ast.UnaryExpr:
		return e.Op == token.NOT
	}
	return false
}

func (m *mutator) binary(e *ast.BinaryExpr, depth int) {
	op, ok := operators[e.Op]
	operand := m.info.Types[e.X].Type.Underlying()
	if u, isUntyped := operand.(*types.Basic); isUntyped && u.Info()&types.IsUntyped != 0 {
		operand = m.info.Types[e.Y].Type.Underlying()
	}
	if b, isBasic := operand.(*types.Basic); !ok || !isBasic || b.Info()&types.IsNumeric == 0 {
		return
	}

	id := m.mutant(e, strings.TrimSpace(op.instead))
	helper := op.helper
	if e.Op == token.SHL || e.Op == token.SHR {
		// The type of a constant's shift is that of its place.
		helper += "[" + m.typeOf(e) + "]"
	}
	m.wrap(e, fmt.Sprintf("%s(%d, ", helper, id), ")", depth)
	at := m.offset(e.OpPos)
	m.edits = append(m.edits, edit{at, at + len(e.Op.String()), ",", 0})
}

func (m *mutator) typeOf(e ast.Expr) string {
	return types.TypeString(types.Default(m.info.Types[e].Type), func(p *types.Package) string {
		if p == m.pkg {
			return ""
		}
		return p.Name()
	})
}

// constant mutates text, number or truth where it is read.
func (m *mutator) constant(e ast.Expr, tv types.TypeAndValue, depth int) {
	switch tv.Value.Kind() {
	case constant.Bool:
		if constant.BoolVal(tv.Value) {
			m.wrap(e, fmt.Sprintf("(!mutantIs(%d) && ", m.mutant(e, "false")), ")", depth)
		} else {
			m.wrap(e, fmt.Sprintf("(mutantIs(%d) || ", m.mutant(e, "true")), ")", depth)
		}
	case constant.String:
		if constant.StringVal(tv.Value) != "" {
			m.wrap(e, fmt.Sprintf("mutantText[%s](%d, ", m.typeOf(e), m.mutant(e, `""`)), ")", depth)
		}
	case constant.Int, constant.Float:
		m.wrap(e, fmt.Sprintf("mutantOneMore[%s](%d, ", m.typeOf(e), m.mutant(e, "one more")), ")", depth)
	}
}

// inside mutates what an expression is made of, but not its own value.
func (m *mutator) inside(e ast.Expr, depth int) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		m.expr(e.X, depth)
	case *ast.UnaryExpr:
		if e.Op == token.AND {
			m.inside(e.X, depth)
		} else {
			m.expr(e.X, depth)
		}
	case *ast.BinaryExpr:
		m.expr(e.X, depth)
		m.expr(e.Y, depth)
	case *ast.StarExpr:
		m.inside(e.X, depth)
	case *ast.SelectorExpr:
		m.inside(e.X, depth)
	case *ast.IndexExpr:
		m.inside(e.X, depth)
		if tv := m.info.Types[e.Index]; !tv.IsType() {
			m.expr(e.Index, depth)
		}
	case *ast.SliceExpr:
		m.inside(e.X, depth)

		for _, i := range []ast.Expr{e.Low, e.High, e.Max} {
			if i != nil {
				m.expr(i, depth)
			}
		}
	case *ast.CallExpr:
		m.inside(e.Fun, depth)

		for _, a := range e.Args {
			m.expr(a, depth)
		}
	case *ast.CompositeLit:
		for _, el := range e.Elts {
			if kv, ok := el.(*ast.KeyValueExpr); ok {
				el = kv.Value
			}
			m.expr(el, depth)
		}
	case *ast.FuncLit:
		m.stmt(e.Body, depth)
	}
}
