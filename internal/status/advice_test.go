package status

import (
	"strings"
	"testing"
)

func TestAdviceFitsTheCause(t *testing.T) {
	for said, want := range map[string]string{
		"could not fetch manifest: GET http://r/v2/x/manifests/sha256:bad: MANIFEST_UNKNOWN: Unknown manifest. applying deny RBAC filter":        "publish the image, or name one that is there",
		"could not fetch manifest: GET https://r/v2/x/manifests/sha256:0: UNAUTHORIZED: authentication required":                                 "name a pull secret",
		"could not fetch manifest: GET https://r/v2/x/manifests/1: unexpected status code 401 Unauthorized":                                      "name a pull secret",
		`could not fetch manifest: Get "http://10.0.0.1:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused`:                          "see that the registry is up",
		`could not fetch manifest: Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com on 10.96.0.10:53: no such host`: "see that the registry is up",
		"module downloaded from http://example.com/plugin.wasm has checksum 1, which does not match: 2":                                          "correct sha256",
		"something that nobody has seen": "name an image that is there",
	} {
		if got := unfetched(said); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n  is answered with %q, want %q", said, got, want)
		}
	}

	// A broken module is not fixed by correcting rules.
	for _, kind := range []string{"WasmPlugin", "EnvoyFilter"} {
		o := &Object{Kind: kind}
		if got := (refusal{fault: ofModule}).advice(o); strings.Contains(got, "rules") {
			t.Errorf("of a module of %s: %q", kind, got)
		}
		if got := (refusal{fault: ofRules}).advice(o); !strings.HasPrefix(got, "correct the rules") || strings.Contains(got, "module") {
			t.Errorf("of rules of %s: %q", kind, got)
		}
	}
}
