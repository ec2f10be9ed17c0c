package status

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	timestamp = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	ofThread  = regexp.MustCompile(`\s+thread=(\d+)$`)
	ofVM      = regexp.MustCompile(`\sWasm VM failed (.*)$`)
	ofLoad    = regexp.MustCompile(`\sPlugin (\S+) failed to load$`)
)

// refusal is why a proxy did not load what it received.
type refusal struct {
	text  string
	at    time.Time
	fault fault
}

// fault is what has to be fixed.
type fault int

const (
	unsaid   fault = iota // rules or module, the proxy does not say which
	ofRules               // the filter says what is wrong with them
	ofModule              // it does not become a filter, or is not there
)

// configureFailed is what Envoy says of a VM whose filter refused its rules.
const configureFailed = "Failed to configure base Wasm plugin"

// refusal is the last one in the log that is about an object.
func (p *Proxy) refusal(o *Object) (last refusal) {
	root := o.Plugin
	if o.Kind != "EnvoyFilter" {
		root = o.Name // the chart names the plugin as the object
	}

	ofFilter := regexp.MustCompile(`wasm log ` + regexp.QuoteMeta(root) + `[^:]*: wasm-rewrite: (configuration refused: .*)`)
	// What the VMs of a thread failed of; whose they were, the next line says.
	failed := map[string][]string{}
	for line := range strings.Lines(string(p.Log)) {
		line = strings.TrimRight(line, "\r\n")
		thread := ofThread.FindString(line)
		line = strings.TrimSuffix(line, thread)
		when, _ := time.Parse(time.RFC3339Nano, timestamp.FindString(line))

		vm, load, filter := ofVM.FindStringSubmatch(line), ofLoad.FindStringSubmatch(line), ofFilter.FindStringSubmatch(line)
		_, unconverted, isUnconverted := strings.Cut(line, "error in converting the wasm config to local: ")

		_, rejected, isRejected := strings.Cut(line, "rejected: ")
		switch {
		case vm != nil:
			failed[thread] = append([]string{vm[1]}, failed[thread]...)
		case load != nil:
			if of := failed[thread]; slices.Contains(o.plugins(), load[1]) && len(of) > 0 && of[0] != configureFailed {
				last = refusal{strings.Join(of, ": "), when, ofModule}
			}
			delete(failed, thread)
		case filter != nil:
			last = refusal{filter[1], when, ofRules}
		case isUnconverted && o.URL != "" && strings.Contains(unconverted, o.URL):
			last = refusal{unconverted, when, ofModule}
		case isRejected && slices.ContainsFunc(o.plugins(), func(name string) bool {
			return strings.HasSuffix(rejected, "Unable to create Wasm plugin "+name)
		}):
			// What was said of the cause says more, and comes a moment before.
			if last.text == "" || when.Sub(last.at) > time.Second {
				last = refusal{rejected, when, unsaid}
			}
		}
	}

	return last
}

// advice says how to fix what a proxy did not load.
func (r refusal) advice(o *Object) string {
	const (
		rules = "correct the rules: `wasm-rewrite lint` finds what the filter refuses"
		back  = "`helm rollback RELEASE REVISION`, with one that `helm history` calls superseded, or `git revert` brings back the one before"
	)

	module := "name another module, by the digest that `make publish` printed; " + back
	switch {
	case o.policy():
		module = "name another module by its digest; " + back
	case o.Kind == "EnvoyFilter":
		module = "see that the ConfigMap holds the module whole, as `wasm-rewrite configmap` makes it, and that the Pod mounts it: `helm " +
			"status` prints the annotations"
	}

	switch r.fault {
	case ofRules:
		return rules
	case ofModule:
		return module
	}

	return "the proxy does not say whether it is the rules or the module; " + rules + "; or " + module
}

// unfetched says how to fix that the agent could not fetch a module; said is what it logged.
func unfetched(said string) string {
	const again = "the agent asks again when the object changes or the Pod restarts"

	low := strings.ToLower(said)
	for _, cause := range []struct {
		words  []string
		advice string
	}{
		{[]string{"unauthorized", "denied", "forbidden", "status code 401", "status code 403"},
			"name a pull secret that may read the image, as image.pullSecret; " + again},
		{[]string{"manifest_unknown", "name_unknown", "not found", "status code 404"}, "publish the image, or name one that is there; " + again},
		{[]string{"checksum", "sha256 sum"}, "correct sha256, or put the module there that it is of; " + again},
		{[]string{"connection refused", "no such host", "timeout", "deadline", "unreachable", "i/o", "eof", "x509", "status code 5"},
			"see that the registry is up and that this node reaches it, then restart the Pod: " + again},
	} {
		if slices.ContainsFunc(cause.words, func(word string) bool { return strings.Contains(low, word) }) {
			return cause.advice
		}
	}

	return "name an image that is there, and a pull secret that may read it; " + again
}
