package main

import (
	"bytes"
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
)

// What the linker wrote into a program and what the bill of materials of its package says are the same modules.
func TestABillOfMaterialsListsWhatTheLinkerSaw(t *testing.T) {
	program := filepath.Join(t.TempDir(), "publish")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "../publish").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]string{"wasm-rewrite": "1.2.3", "std": strings.TrimPrefix(info.GoVersion, "go"), "libc": "2.41"}
	for _, module := range info.Deps {
		want[module.Path] = module.Version
	}

	bill, err := spdxjson.Read(bytes.NewReader(bom(t, "-version", "1.2.3", "-also", "libc,2.41,MIT", "../publish")))
	if err != nil {
		t.Fatal(err)
	}

	got := map[string]string{}
	for _, p := range bill.Packages {
		got[p.PackageName] = p.PackageVersion
		if p.PackageLicenseDeclared == "NOASSERTION" {
			t.Errorf("%s: no licence", p.PackageName)
		}
	}

	for name, version := range want {
		if got[name] != version {
			t.Errorf("%s: %q, want %q", name, got[name], version)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("not in the program: %v", got)
	}
}

func TestTheSameCommitGivesTheSameBillOfMaterials(t *testing.T) {
	args := []string{"-version", "1.2.3", "-created", "1700000000", "../publish"}
	if first, second := bom(t, args...), bom(t, args...); !bytes.Equal(first, second) {
		t.Errorf("two documents:\n%s\n%s", first, second)
	} else if !bytes.Contains(first, []byte(`"created": "2023-11-14T22:13:20Z"`)) {
		t.Errorf("no date of the commit:\n%.500s", first)
	}
}

func TestALicenceThatIsUnknownOrAsksForMoreIsNamed(t *testing.T) {
	var out bytes.Buffer

	err := run([]string{"-licences", "-also", "gpl,1,GPL-3.0-only", "-also", "nobody,2,", "../publish"}, &out)
	for _, want := range []string{`gpl 1: "GPL-3.0-only"`, `nobody 2: ""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "std") {
		t.Errorf("Go's own licence is refused: %v", err)
	}
	if !strings.Contains(out.String(), "github.com/google/go-containerregistry") {
		t.Errorf("the table:\n%s", &out)
	}
}

func bom(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := run(args, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
