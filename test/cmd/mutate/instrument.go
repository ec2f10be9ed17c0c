package main

import (
	"bytes"
	"encoding/json"
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
	"slices"
	"strings"
)

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

	m, files, err := load(dir, pkg.GoFiles)
	if err != nil {
		return nil, err
	}

	// The package's own files, with what they ask which mutant is on.
	o := overlay{dir: dir, scratch: scratch, replace: map[string]string{}}
	for i, name := range pkg.GoFiles {
		if only != "" && name != only {
			continue
		}

		data, err := m.file(files[i], dir, name)
		if err != nil {
			return nil, err
		}
		if err := o.put(name, data); err != nil {
			return nil, err
		}
	}
	if err := o.put("zz_mutants.go", fmt.Appendf(nil, helpers, pkg.Name)); err != nil {
		return nil, err
	}

	// The programs that run its tests, from inside and from outside.
	inside, err := tests(dir, pkg.TestGoFiles)
	if err != nil {
		return nil, err
	}
	if err := o.put("zz_mutants_inside_test.go", fmt.Appendf(nil, internalTests, pkg.Name, inside)); err != nil {
		return nil, err
	}

	outside, err := tests(dir, pkg.XTestGoFiles)
	if err != nil {
		return nil, err
	}
	if err := o.put("zz_mutants_test.go", fmt.Appendf(nil, runner, pkg.Name, importPath, outside)); err != nil {
		return nil, err
	}

	return m, o.write()
}

// load reads the package and finds its types.
func load(dir string, names []string) (*mutator, []*ast.File, error) {
	m := &mutator{fset: token.NewFileSet(), seen: map[string]int{}, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
	}}

	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(m.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}

		files = append(files, file)
	}

	checker := types.Config{Importer: importer.ForCompiler(m.fset, "source", nil)}

	var err error
	m.pkg, err = checker.Check(dir, m.fset, files, m.info)

	return m, files, err
}

// overlay is which files go build reads in place of others.
type overlay struct {
	dir, scratch string
	replace      map[string]string
}

func (o *overlay) put(name string, data []byte) error {
	full, err := filepath.Abs(filepath.Join(o.dir, name))
	if err != nil {
		return err
	}

	o.replace[full] = filepath.Join(o.scratch, name)

	return os.WriteFile(o.replace[full], data, 0o600)
}

func (o *overlay) write() error {
	text, err := json.Marshal(map[string]any{"Replace": o.replace})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.scratch, "overlay.json"), text, 0o600)
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

// isLogic reports whether an expression is made of conditions that are mutated themselves.
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
