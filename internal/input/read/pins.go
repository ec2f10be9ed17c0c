package read

import (
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/strvals"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// pin puts digests where values have none that can be rendered, and says in the
// input what it did.
func pin(in *input.Input, c *chart.Chart, values map[string]any) (err error) {
	switch in.Kind {
	case input.Values:
		in.Unpinned, err = pinned(c, values)
	case input.Environment:
		in.Unpublished, err = unpublished(values)
	}
	return err
}

// someDigest stands in for one that is not known yet, where only the rules are looked at.
var someDigest = "sha256:" + strings.Repeat("f", 64)

// pinned puts a digest where neither values nor chart name a module, and
// reports whether it did. The gates' image, which does not concern the rules,
// is left without a word.
func pinned(c *chart.Chart, values map[string]any) (bool, error) {
	copied, err := chartutil.CoalesceValues(c, values)
	if err != nil {
		return false, err
	}

	text := func(path ...string) string {
		s, _, _ := unstructured.NestedString(copied, path...)
		return s
	}
	on := func(path ...string) bool {
		b, _, _ := unstructured.NestedBool(copied, path...)
		return b
	}
	gates := text("delivery") == "EnvoyExtensionPolicy" || on("verify", "before", "enabled") || on("verify", "after", "enabled")
	if gates && text("verify", "image", "digest") == "" {
		if err := strvals.ParseInto("verify.image.digest="+someDigest, values); err != nil {
			return false, err
		}
	}
	if text("delivery") == "EnvoyFilter" || text("url") != "" || text("image", "digest") != "" || text("image", "tag") != "" {
		return false, nil
	}

	return true, strvals.ParseInto("image.digest="+someDigest, values)
}

// unpublished puts digests where an environment has all zeros, since its images
// were never published, and names the values.
func unpublished(values map[string]any) (paths []string, err error) {
	for _, path := range []string{"image.digest", "verify.image.digest"} {
		digest, _, _ := unstructured.NestedString(values, strings.Split(path, ".")...)
		if digest != input.NeverPublished {
			continue
		}
		if err := strvals.ParseInto(path+"="+someDigest, values); err != nil {
			return nil, err
		}

		paths = append(paths, path)
	}

	return paths, nil
}
