package stonechat_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/store"
)

// The bars of our own code. What is longer or undocumented here is a mistake, not a matter of taste.
const (
	maxFunction = 100
	maxFile     = 800
	maxHooks    = 20
	maxPorts    = 10
	maxMethods  = 8
)

// sources calls f for every Go file of ours.
func sources(t *testing.T, f func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err == nil {
			f(path, set, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLengths(t *testing.T) {
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if n := set.Position(file.End()).Line; n > maxFile {
			t.Errorf("%s has %d lines", path, n)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasSuffix(path, "_test.go") {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line; n > maxFunction {
				t.Errorf("%s: %s has %d lines", path, fn.Name.Name, n)
			}
		}
	})
}

func TestExportedNamesAreDocumented(t *testing.T) {
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		complain := func(n ast.Node, name string) { t.Errorf("%s: %s is not documented", set.Position(n.Pos()), name) }
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exported(d.Recv) {
					complain(d, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						complain(ts, ts.Name.Name)
					}
				}
			}
		}
	})
}

// exported tells whether the receiver, if there is one, is a type that others can name.
func exported(recv *ast.FieldList) bool {
	if recv == nil {
		return true
	}
	t := recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func TestBorders(t *testing.T) {
	if n := reflect.TypeFor[core.Hooks]().NumField(); n > maxHooks {
		t.Errorf("%d hooks", n)
	}
	if n := reflect.TypeFor[core.Ports]().NumField(); n > maxPorts {
		t.Errorf("%d ports", n)
	}
	set := reflect.TypeFor[store.Set]()
	for i := range set.NumField() {
		if f := set.Field(i); f.Type.NumMethod() > maxMethods {
			t.Errorf("store.%s has %d methods", f.Name, f.Type.NumMethod())
		}
	}
}
