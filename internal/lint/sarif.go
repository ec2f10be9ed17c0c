package lint

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"strings"
)

// The part of SARIF 2.1.0 that findings need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID        string       `json:"id"`
		Short     sarifMessage `json:"shortDescription"`
		Full      sarifMessage `json:"fullDescription"`
		Help      sarifMessage `json:"help"`
		Configure sarifLevel   `json:"defaultConfiguration"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

var sarifLevels = map[Severity]string{SeverityError: "error", SeverityWarning: "warning", SeverityInfo: "note"}

// SARIF gives findings as a log in the format that code hosts read, SARIF
// 2.1.0. version is that of the tool.
func SARIF(findings []Finding, version string) any {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "wasm-rewrite", Version: version, InformationURI: "https://github.com/wasm-rewrite/wasm-rewrite"}

	index := map[Check]int{}
	for i, c := range Checks {
		index[c.Check] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: string(c.Check), Short: sarifMessage{c.Short}, Full: sarifMessage{c.Why}, Help: sarifMessage{c.Help()},
			Configure: sarifLevel{sarifLevels[c.Severity]},
		})
	}

	for _, f := range findings {
		run.Results = append(run.Results, f.sarif(index[f.Check]))
	}

	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

func (f Finding) sarif(rule int) sarifResult {
	text := f.Reason
	if where := strings.Trim(f.Named()+": "+f.Value, ": "); where != "" {
		text = where + ": " + text
	}
	if f.Advice != "" {
		text += "\n" + f.Advice
	}

	r := sarifResult{RuleID: string(f.Check), RuleIndex: rule, Level: sarifLevels[f.Severity], Message: sarifMessage{text}, Locations: []sarifLocation{}}

	// The file, and within it what the finding is about.
	var location sarifLocation
	if f.File != "" && f.File != "-" {
		location.Physical = &sarifPhysical{}
		if f.Line > 0 {
			location.Physical.Region = &sarifRegion{f.Line, f.Column}
		}

		location.Physical.Artifact.URI = (&url.URL{Path: filepath.ToSlash(f.File)}).String()
	}
	if name := strings.Trim(f.Workload+"."+f.Path, "."); name != "" {
		location.Logical = []sarifLogical{{name}}
	}
	if location.Physical != nil || location.Logical != nil {
		r.Locations = append(r.Locations, location)
	}

	// The same finding in another line is not a new one.
	sum := sha256.Sum256([]byte(strings.Join([]string{string(f.Check), f.File, f.Workload, f.Pattern, f.Path, f.Value}, "\x00")))
	r.Fingerprints = map[string]string{"wasmRewrite/v1": hex.EncodeToString(sum[:8])}

	return r
}
