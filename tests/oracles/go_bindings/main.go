// Reads one JSON object a line {before, after, mode}, answers true, false or null (`before` does not parse).
// "layout": equal tokens. "rename": equal tokens but for names of local variables, and every name means the
// same declaration. Imports and other files of the package are not there: what they declare stays unresolved.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"os"
)

type question struct {
	Before, After, Mode string
}

type file struct {
	tokens   []string // kinds, and texts of all but names
	names    []*ast.Ident
	info     *types.Info
	pkg      *types.Package
	switches map[*ast.Ident]bool // x of `switch x := y.(type)`: one variable per clause
}

type absent struct{}

func (absent) Import(path string) (*types.Package, error) { return nil, errors.New("not here") }

func tokens(text string, names bool) []string {
	set := token.NewFileSet()
	var lexer scanner.Scanner
	lexer.Init(set.AddFile("f.go", -1, len(text)), []byte(text), func(token.Position, string) {}, 0)
	found := []string{}
	for {
		_, kind, literal := lexer.Scan()
		if kind == token.EOF {
			return found
		}
		if kind == token.SEMICOLON || (kind == token.IDENT && !names) {
			literal = ""
		}
		found = append(found, kind.String()+" "+literal)
	}
}

func read(text string) (*file, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "f.go", text, 0)
	if err != nil {
		return nil, err
	}
	info := &types.Info{
		Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Implicits: map[ast.Node]types.Object{},
	}
	config := types.Config{Importer: absent{}, Error: func(error) {}}
	pkg, _ := config.Check("p", set, []*ast.File{tree}, info)
	read := &file{tokens: tokens(text, false), info: info, pkg: pkg, switches: map[*ast.Ident]bool{}}
	ast.Inspect(tree, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.Ident:
			read.names = append(read.names, node)
		case *ast.TypeSwitchStmt:
			if assign, ok := node.Assign.(*ast.AssignStmt); ok {
				read.switches[assign.Lhs[0].(*ast.Ident)] = true
			}
		}
		return true
	})
	return read, nil
}

// The local variable a name means, or nil. Where a missing import keeps the type checker from looking, the
// parser's own resolution answers.
func (f *file) local(name *ast.Ident) any {
	object := f.info.ObjectOf(name)
	if object == nil {
		if name.Obj != nil && name.Obj.Kind == ast.Var && f.pkg.Scope().Lookup(name.Name) == nil {
			return name.Obj
		}
		return nil
	}
	variable, ok := object.(*types.Var)
	if ok && !variable.IsField() && variable.Parent() != f.pkg.Scope() {
		return object
	}
	return nil
}

func equalStrings(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func sameBindings(a, b *file) bool {
	if !equalStrings(a.tokens, b.tokens) || len(a.names) != len(b.names) {
		return false
	}
	forth, back := map[any]any{}, map[any]any{}
	for i, name := range a.names {
		other := b.names[i]
		if a.switches[name] && b.switches[other] {
			continue
		}
		x, y := a.local(name), b.local(other)
		if x == nil || y == nil {
			if name.Name != other.Name || (x == nil) != (y == nil) {
				return false
			}
			continue
		}
		if forth[x] == nil && back[y] == nil {
			forth[x], back[y] = y, x
		}
		if forth[x] != y || back[y] != x {
			return false
		}
	}
	return true
}

func same(q question) any {
	before, err := read(q.Before)
	if err != nil {
		return nil
	}
	if q.Mode == "layout" {
		return equalStrings(tokens(q.Before, true), tokens(q.After, true))
	}
	after, err := read(q.After)
	return err == nil && sameBindings(before, after)
}

func main() {
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			panic(err)
		}
		answer, _ := json.Marshal(same(q))
		fmt.Println(string(answer))
	}
}
