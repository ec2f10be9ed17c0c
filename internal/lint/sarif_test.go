package lint

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// TestSARIF holds what is printed against the official schema of SARIF 2.1.0,
// as OASIS publishes it.
func TestSARIF(t *testing.T) {
	file, err := os.Open("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	official, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}

	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", official); err != nil {
		t.Fatal(err)
	}

	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}

	// Findings with and without a place, and a text that is not YAML.
	in, err := input.Text("my rules.yaml", []byte("patterns:\n- name: shoes\n  match: {path: {regex: '^/a('}}\n  rewrite: {path: /b}\ntests: [{name: x}]\n"), "")
	if err != nil {
		t.Fatal(err)
	}

	in.Name = "my rules.yaml"
	findings := Lint(in)
	_, unreadable := input.Text("b.yaml", []byte("a: 1\na: 2\n"), "")
	more, rest := Unreadable(unreadable)
	if rest != nil || len(more) != 1 {
		t.Fatalf("%v, %v", more, rest)
	}

	findings = append(append(findings, more...), Finding{Input: "cluster:shop", Workload: "shop", Path: "patterns[0]", Reason: "r",
		Severity: SeverityInfo, Check: Unreachable})
	text, err := json.Marshal(SARIF(findings, "1.2.3"))
	if err != nil {
		t.Fatal(err)
	}

	log, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(log); err != nil {
		t.Errorf("%v\n%s", err, text)
	}

	for _, want := range []string{
		`"ruleId":"invalid"`, `"artifactLocation":{"uri":"my%20rules.yaml"},"region":{"startLine":3,"startColumn":18}`,
		`"fullyQualifiedName":"patterns[0].match.path.regex"`, `"ruleId":"yaml"`, `"startLine":2,"startColumn":1`,
		`"level":"note"`, `"fullyQualifiedName":"shop.patterns[0]"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}
