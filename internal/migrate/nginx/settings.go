package nginx

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/texttheater/golang-levenshtein/levenshtein"
	networking "k8s.io/api/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// settings are what the annotations of one Ingress say, read as the controller
// reads them.
type settings struct {
	target    string
	regex     bool
	root      string
	redirect  *redirect
	www       bool
	force     bool // force-ssl-redirect
	ssl       bool // ssl-redirect: true unless it says no
	sslSaid   bool // it is there
	vhost     string
	forwarded string // x-forwarded-prefix
	aliases   []string
	canary    bool
	headers   plan.Fields // for responses
}

type redirect struct {
	url, key string
	code     int
}

// hints say what to do about annotations that are not carried over. A key that
// ends in - holds for all that begin so.
var hints = map[string]string{
	"configuration-snippet":   "is nginx configuration: write its rewrite, return and header lines as patterns by hand (docs/moving-in.md has a table)",
	"server-snippet":          "is nginx configuration: write its rewrite, return and header lines as patterns by hand (docs/moving-in.md has a table)",
	"stream-snippet":          "is nginx configuration for TCP: nothing here does that",
	"auth-snippet":            "is nginx configuration for authorization: use Istio's external authorization",
	"modsecurity-":            "is a firewall: use one in front",
	"enable-modsecurity":      "is a firewall: use one in front",
	"custom-headers":          "names a ConfigMap: write its headers under headers.response.set",
	"enable-cors":             "CORS is a policy of its own: corsPolicy of VirtualService, or HTTPRoute's CORS filter",
	"cors-":                   "CORS is a policy of its own: corsPolicy of VirtualService, or HTTPRoute's CORS filter",
	"auth-":                   "is authorization, not rewriting: use Istio's AuthorizationPolicy or external authorization",
	"enable-global-auth":      "is authorization, not rewriting: use Istio's AuthorizationPolicy or external authorization",
	"satisfy":                 "is authorization, not rewriting: use Istio's AuthorizationPolicy",
	"whitelist-source-range":  "is authorization: use AuthorizationPolicy with ipBlocks",
	"allowlist-source-range":  "is authorization: use AuthorizationPolicy with ipBlocks",
	"denylist-source-range":   "is authorization: use AuthorizationPolicy with notIpBlocks",
	"limit-":                  "is a rate limit: use Envoy's",
	"canary-":                 "splits traffic: weights or header matches of VirtualService or HTTPRoute",
	"custom-http-errors":      "changes answers by their status: a pattern with match.response, or the backend itself",
	"default-backend":         "is routing: a last route of VirtualService or HTTPRoute",
	"backend-protocol":        "is the Service's: name its port by the protocol, or appProtocol",
	"proxy-ssl-":              "is TLS to the backend: use DestinationRule",
	"ssl-passthrough":         "is routing by TLS: no proxy sees the path then",
	"ssl-":                    "is TLS of the gateway",
	"affinity":                "is load balancing: use DestinationRule",
	"session-cookie-":         "is load balancing: use DestinationRule",
	"load-balance":            "is load balancing: use DestinationRule",
	"upstream-hash-by":        "is load balancing: use DestinationRule",
	"mirror-":                 "is routing: mirror of VirtualService, RequestMirror of HTTPRoute",
	"proxy-connect-timeout":   "is a timeout: timeouts of VirtualService or HTTPRoute",
	"proxy-read-timeout":      "is a timeout: timeouts of VirtualService or HTTPRoute",
	"proxy-send-timeout":      "is a timeout: timeouts of VirtualService or HTTPRoute",
	"proxy-next-upstream":     "is a retry: retries of VirtualService or HTTPRoute",
	"preserve-trailing-slash": "is not needed: redirects to https keep a trailing slash",
	"use-port-in-redirects":   "adds nginx's own port to redirects: write redirect.port by hand",
	"relative-redirects":      "a Location always has scheme and host here",
	"proxy-request-buffering": "Envoy passes bodies on as they come",
	"proxy-buffering":         "Envoy passes bodies on as they come",
	"connection-proxy-header": "Envoy keeps connections itself",
	"service-upstream":        "is routing, and how a mesh does it anyway",
	"http2-push-preload":      "no browser takes it any more",
	"enable-access-log":       "is the gateway's own setting",
	"enable-opentelemetry":    "is the gateway's own setting",
	"enable-rewrite-log":      "wasm-rewrite's own: patternHeader, and counters for each pattern",
}

func hint(name string) string {
	if text := hints[name]; text != "" {
		return text
	}

	best := ""
	for key := range hints {
		if strings.HasSuffix(key, "-") && strings.HasPrefix(name, key) && len(key) > len(best) {
			best = key
		}
	}
	if best != "" {
		return hints[best]
	}

	if near := nearest(name); near != "" {
		return "has no counterpart among rewrites: did you mean " + near + "?"
	}

	return "has no counterpart among rewrites"
}

// carried are the annotations that are carried over.
var carried = []string{
	"rewrite-target", "use-regex", "app-root", "force-ssl-redirect", "ssl-redirect", "from-to-www-redirect", "upstream-vhost", "x-forwarded-prefix",
	"canary", "server-alias", "temporal-redirect", "temporal-redirect-code", "permanent-redirect", "permanent-redirect-code", "proxy-redirect-from",
	"proxy-redirect-to", "proxy-cookie-path", "proxy-cookie-domain",
}

// nearest gives the annotation that a name is most likely a misspelling of, or
// "": one letter in six may be missing or too many, and another letter is both.
func nearest(name string) (near string) {
	least := len(name)/6 + 1
	for _, one := range carried {
		distance := levenshtein.DistanceForStrings([]rune(name), []rune(one), levenshtein.DefaultOptions)
		if distance < least || distance == least && near == "" {
			near, least = one, distance
		}
	}

	return near
}

// harmless are the annotations whose meaning is kept without a rule.
var harmless = map[string]bool{
	"preserve-trailing-slash": true, "service-upstream": true, "http2-push-preload": true, "proxy-buffering": true, "proxy-request-buffering": true,
	"enable-access-log": true, "enable-rewrite-log": true, "enable-opentelemetry": true, "opentelemetry-trust-incoming-span": true,
	"connection-proxy-header": true,
}

// reader takes annotations out of an Ingress one by one, so that those that
// nobody takes are known.
type reader struct {
	left   map[string]string
	object string
	report *plan.Report
}

func (r *reader) take(name string) string {
	value := strings.TrimSpace(r.left[name])
	delete(r.left, name)
	return value
}

// flag reads a boolean as the controller does; what is none counts as unset.
func (r *reader) flag(name string, unset bool) bool {
	text := r.take(name)
	if text == "" {
		return unset
	}

	value, err := strconv.ParseBool(text)
	if err != nil {
		r.report.Differ(r.object, annotation(prefix+name), "%q is neither true nor false: taken as %t, as ingress-nginx does", text, unset)
		return unset
	}

	return value
}

func read(o *networking.Ingress, report *plan.Report) *settings {
	r := &reader{left: map[string]string{}, object: object(o), report: report}
	for key, value := range o.Annotations {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			r.left[name] = value
		}
	}

	sslSaid := r.left["ssl-redirect"] != ""

	s := &settings{
		target: r.take("rewrite-target"), regex: r.flag("use-regex", false), root: r.take("app-root"),
		force: r.flag("force-ssl-redirect", false), ssl: r.flag("ssl-redirect", true), www: r.flag("from-to-www-redirect", false),
		vhost: r.take("upstream-vhost"), forwarded: r.take("x-forwarded-prefix"), canary: r.flag("canary", false), sslSaid: sslSaid,
	}
	for alias := range strings.SplitSeq(r.take("server-alias"), ",") {
		if alias = strings.TrimSpace(alias); alias != "" {
			s.aliases = append(s.aliases, alias)
		}
	}
	r.redirects(s)
	r.responses(s)
	if s.root != "" {
		if u, err := url.ParseRequestURI(s.root); err != nil || u.IsAbs() {
			report.Leave(r.object, annotation(prefix+"app-root"), "%q is not a path: ingress-nginx passes it over, too", s.root)
			s.root = ""
		}
	}
	if s.forwarded != "" && s.target == "" {
		report.Differ(r.object, annotation(prefix+"x-forwarded-prefix"), "ingress-nginx sets it only together with rewrite-target, so no rule does")
	}

	for _, name := range slices.Sorted(maps.Keys(r.left)) {
		if harmless[name] {
			report.Differ(r.object, annotation(prefix+name), "%s", hint(name))
		} else {
			report.Leave(r.object, annotation(prefix+name), "%s", hint(name))
		}
	}

	return s
}

// redirects reads the redirect of all requests: temporal-redirect, and only
// where there is none permanent-redirect.
func (r *reader) redirects(s *settings) {
	temporal, permanent := r.take("temporal-redirect"), r.take("permanent-redirect")

	temporalCode, known := r.code("temporal-redirect-code", 307, 302)

	permanentCode, alsoKnown := r.code("permanent-redirect-code", 308, 301)
	switch {
	case temporal != "" && !known, temporal == "" && !alsoKnown:
	case temporal != "":
		s.redirect = &redirect{temporal, "temporal-redirect", temporalCode}
		if permanent != "" {
			r.report.Differ(r.object, annotation(prefix+"permanent-redirect"), "ingress-nginx runs temporal-redirect where there are both")
		}
	case permanent != "":
		s.redirect = &redirect{permanent, "permanent-redirect", permanentCode}
	}
}

// code reads the status of a redirect. One that is not a number ends the redirect.
func (r *reader) code(name string, most, unset int) (code int, ok bool) {
	text := r.take(name)
	if text == "" {
		return unset, true
	}

	n, err := strconv.Atoi(text)
	if err != nil {
		r.report.Leave(r.object, annotation(prefix+name), "%q is not a number, and ingress-nginx redirects nothing then: write the status", text)
		return 0, false
	}
	if n < 300 || n > most {
		r.report.Differ(r.object, annotation(prefix+name), "%d is not from 300 to %d: taken as %d, as ingress-nginx does", n, most, unset)
		return unset, true
	}

	return n, true
}
