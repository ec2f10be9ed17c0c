package main

import (
	"fmt"
	"strings"
)

// groups say what keys are for that only hold others: the chart's README has no
// row for them, and editors show these texts.
var groups = map[string]string{
	"defaults":               "What every workload has, unless it says something else: any of its keys but selector, targetRefs, patterns and tests.",
	"image":                  "Where proxies fetch the module from: an OCI image, by its digest.",
	"module":                 "Where the module is in the proxies; for delivery EnvoyFilter alone.",
	"envoyFilter":            "Where in the proxy the filter is; for delivery EnvoyFilter alone.",
	"verify":                 "Pods that check a release: before it is applied, and after.",
	"verify.before":          "A Pod that loads the rules with the module itself and runs their tests before anything is applied.",
	"verify.after":           "A Pod that waits until every proxy has the rules, then sends the tests marked live.",
	"verify.image":           "The command line's image, which the Pods run.",
	"metrics":                "What a Prometheus in the cluster is given.",
	"metrics.prometheusRule": "Alerts, as a PrometheusRule.",
	"metrics.dashboard":      "A dashboard for Grafana, as a ConfigMap.",

	"traffic.mode":  "SERVER: what comes to the workload; CLIENT: what it sends; CLIENT_AND_SERVER: both.",
	"traffic.ports": "Ports of the workload. Default: all.",
	"lint.ignore":   "check: reason. What is right here although it looks wrong.",

	"targetRefs.group":       "The target's API group; empty for a Service.",
	"targetRefs.kind":        "The target's kind, for example Gateway or Service.",
	"targetRefs.name":        "The target's name, in the workload's namespace.",
	"targetRefs.sectionName": "A listener or route rule of the target; with delivery EnvoyExtensionPolicy alone.",

	"tests.name":                         "Name in reports. Default: its index.",
	"tests.live":                         "true: also sent as a real request after a release.",
	"tests.request":                      "What a client sends.",
	"tests.request.method":               "Default: GET.",
	"tests.request.scheme":               "http or https. Default: http.",
	"tests.request.host":                 "Default: example.com.",
	"tests.request.path":                 "Path and query. Default: /.",
	"tests.request.headers":              "name: value, or a list of values.",
	"tests.response":                     "What the upstream answers. Default: 200.",
	"tests.response.status":              "The upstream's status. Default: 200.",
	"tests.response.headers":             "name: value, or a list of values.",
	"tests.expect":                       "What is to come of it; what is not named is not looked at.",
	"tests.expect.pattern":               "The pattern that acts, or a list of those that do; [] for none.",
	"tests.expect.path":                  "Path and query as the upstream sees them.",
	"tests.expect.host":                  "The host that the upstream sees.",
	"tests.expect.status":                "The status that the client sees.",
	"tests.expect.location":              "The Location that the client sees.",
	"tests.expect.requestHeaders":        "Headers that the upstream sees: name: value.",
	"tests.expect.responseHeaders":       "Headers that the client sees: name: value.",
	"tests.expect.absentRequestHeaders":  "Headers that the upstream does not see.",
	"tests.expect.absentResponseHeaders": "Headers that the client does not see.",
}

// forHovering gives every key of a schema a text, also where the schema says the
// key again in a condition: an editor shows the texts of all that fit.
func forHovering(root schema) (schema, error) {
	root, err := clone(root)
	if err != nil {
		return nil, err
	}

	// The keys of the values, then those of a workload, wherever they are.
	unknown := map[string]bool{}
	for path := range groups {
		unknown[path] = true
	}

	properties := root["properties"].(schema)
	workload := properties["workloads"].(schema)["additionalProperties"].(schema)

	pattern := workload["properties"].(schema)["patterns"].(schema)["items"].(schema)
	for path, text := range groups {
		for _, of := range []schema{root, workload, properties["defaults"].(schema), pattern} {
			if at := below(of, strings.Split(path, ".")); at != nil {
				at["description"] = text
				delete(unknown, path)
			}
		}
	}

	for path := range unknown {
		return nil, fmt.Errorf("charts/generate/editor.go says what %s is for, and there is no such key", path)
	}

	describe(root)

	return root, nil
}

// below gives the schema of a key, through lists; nil for none.
func below(s schema, path []string) schema {
	for _, key := range path {
		if items, ok := s["items"].(schema); ok {
			s = items
		}

		properties, _ := s["properties"].(schema)
		next, ok := properties[key].(schema)
		if !ok {
			return nil
		}

		s = next
	}

	return s
}

// describe copies the texts of an object's keys to where its conditions name them.
func describe(v any) {
	switch v := v.(type) {
	case schema:
		conditions(v, v)

		for _, of := range []string{"properties", "patternProperties"} {
			properties, _ := v[of].(schema)
			for _, property := range properties {
				describe(property)
			}
		}
		describe(v["items"])
		describe(v["additionalProperties"])
	case []any:
		for _, one := range v {
			describe(one)
		}
	}
}

// conditions goes through what a schema says of an object under certain conditions.
func conditions(s, of schema) {
	for _, key := range []string{"if", "then", "else", "not", "allOf", "anyOf", "oneOf"} {
		switch part := s[key].(type) {
		case schema:
			copyTexts(part, of)
		case []any:
			for _, one := range part {
				if one, ok := one.(schema); ok {
					copyTexts(one, of)
				}
			}
		}
	}
}

func copyTexts(part, of schema) {
	named, _ := part["properties"].(schema)

	properties, _ := of["properties"].(schema)
	for key, value := range named {
		value, ok := value.(schema)
		from, known := properties[key].(schema)
		if !ok || !known {
			continue
		}
		if value["description"] == nil && from["description"] != nil {
			value["description"] = from["description"]
		}

		copyTexts(value, from)
	}

	conditions(part, of)
}
