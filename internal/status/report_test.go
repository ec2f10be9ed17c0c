package status_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// TestStatusTable shows the verdicts on the recorded proxies, and a row for
// each state that has nothing to record.
func TestStatusTable(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}

	r := status.Report{Namespace: "demo"}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var row status.Row
		if err := json.Unmarshal(archive.Files[len(archive.Files)-1].Data, &row); err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		row.Pod = "demo/" + filepath.Base(file[:len(file)-len(".txtar")])
		r.Rows = append(r.Rows, row)
	}

	r.Rows = append(r.Rows, status.Row{Object: "WasmPlugin demo/other", State: status.NoPods, Reason: "a reason", Advice: "an advice"})
	var got bytes.Buffer
	r.Text(&got)
	const golden = "testdata/report.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got.String() != string(want) {
		t.Errorf("%v, got\n%swant\n%s(-update writes it)", err, &got, want)
	}
}

func TestAReportIsFineWhereEverythingIsInForce(t *testing.T) {
	for _, c := range []struct {
		states []status.State
		fine   bool
		said   string // of the error
	}{
		{nil, false, ""},
		{[]status.State{status.InForce}, true, ""},
		{[]status.State{status.InForce, status.DenyAll}, false, ""},
		{[]status.State{status.InForce, status.NoPods}, false, ""},
		{[]status.State{status.DenyAll, status.Unknown}, false, "1 of 2 rows cannot be asked"},
	} {
		var r status.Report
		for _, s := range c.states {
			r.Rows = append(r.Rows, status.Row{State: s})
		}

		fine, err := r.Fine()
		said := ""
		if err != nil {
			said = err.Error()
		}
		if fine != c.fine || said != c.said {
			t.Errorf("%v: fine is %v, want %v; the error is %q, want %q", c.states, fine, c.fine, said, c.said)
		}
	}
}
