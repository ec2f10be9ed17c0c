package migrate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networking "k8s.io/api/networking/v1"
)

const nginx = "nginx.ingress.kubernetes.io/"

// hints say what to do about annotations that are not carried over.
var hints = map[string]string{
	"configuration-snippet": "is nginx configuration: write its rewrite and header lines as patterns by hand",
	"server-snippet":        "is nginx configuration: write its rewrite and header lines as patterns by hand",
	"from-to-www-redirect":  "write a pattern with match.host and redirect.host, and give the gateway the second host",
	"server-alias":          "give the gateway and match.host the other hosts",
	"custom-headers":        "names a ConfigMap: write its headers under headers.response.set",
	"enable-cors":           "CORS is a policy of its own: VirtualService corsPolicy or HTTPRoute's CORS filter",
	"auth-url":              "is authorization, not rewriting: use Istio's external authorization",
	"canary":                "splits traffic: use weights of VirtualService or HTTPRoute",
}

// ingress carries over an Ingress of ingress-nginx.
func (m *migration) ingress(o *networking.Ingress) {
	known := map[string]string{}
	for key, value := range o.Annotations {
		if name, ok := strings.CutPrefix(key, nginx); ok {
			known[name] = value
		}
	}
	take := func(name string) string {
		value := known[name]
		delete(known, name)
		return value
	}
	a := annotations{
		target: take("rewrite-target"), vhost: take("upstream-vhost"), prefix: take("x-forwarded-prefix"), root: take("app-root"),
		permanent: take("permanent-redirect"), permanentCode: take("permanent-redirect-code"),
		temporal: take("temporal-redirect"), temporalCode: take("temporal-redirect-code"),
		forceTLS: take("force-ssl-redirect") == "true", tls: take("ssl-redirect"),
	}
	a.regex = take("use-regex") == "true" || a.target != ""
	for _, name := range sorted(known) {
		hint := hints[name]
		if hint == "" {
			hint = "has no counterpart among rewrites"
		}
		m.leave(`metadata.annotations["`+nginx+name+`"]`, "%s", hint)
	}
	if len(o.Spec.TLS) > 0 && a.tls == "" && !a.forceTLS {
		m.leave("spec.tls", "nginx redirects to https by default where there is TLS; if that is meant: match: {scheme: http}, redirect: {scheme: https, status: 308}")
	}
	name := "ingress"
	if o.Spec.IngressClassName != nil {
		name = *o.Spec.IngressClassName
	}
	w := m.selected(name)
	for i, rule := range o.Spec.Rules {
		at := "spec.rules[" + strconv.Itoa(i) + "]"
		match := fields{}.with("host", host(rule.Host))
		if a.forceTLS || a.tls == "true" {
			to := fields{{"status", 308}, {"scheme", "https"}}
			w.entries = append(w.entries, entry{object: m.at, path: at, match: append(slices.Clone(match), field{"scheme", "http"}), action: fields{{"redirect", to}}})
		}
		if a.root != "" {
			root := append(slices.Clone(match), field{"path", fields{{"exact", "/"}}})
			to := fields{{"status", 302}, {"path", literal(a.root)}, {"query", "drop"}}
			w.entries = append(w.entries, entry{object: m.at, path: nginx + "app-root", match: root, action: fields{{"redirect", to}}})
		}
		if rule.HTTP == nil {
			continue
		}
		paths := slices.Clone(rule.HTTP.Paths)
		exact := func(p networking.HTTPIngressPath) int {
			if p.PathType != nil && *p.PathType == networking.PathTypeExact {
				return 1
			}
			return 0
		}
		// nginx tries exact locations first, then the longest.
		slices.SortStableFunc(paths, func(x, y networking.HTTPIngressPath) int {
			if a.regex {
				return len(y.Path) - len(x.Path)
			}
			return cmp.Or(exact(y)-exact(x), len(y.Path)-len(x.Path))
		})
		for j, p := range paths {
			w.entries = append(w.entries, m.ingressPath(a, at+".http.paths["+strconv.Itoa(j)+"]", match, p.Path, exact(p) == 1))
		}
	}
}

type annotations struct {
	target, vhost, prefix, root                      string
	permanent, permanentCode, temporal, temporalCode string
	tls                                              string
	forceTLS, regex                                  bool
}

func (m *migration) ingressPath(a annotations, at string, match fields, path string, exact bool) entry {
	e := entry{object: m.at, path: at, match: slices.Clone(match)}
	switch {
	case path == "":
	case a.regex:
		e.match = append(e.match, field{"path", fields{{"regex", "^" + path}, {"ignoreCase", true}}})
	case exact:
		e.match = append(e.match, field{"path", fields{{"exact", path}}})
	default:
		e.match = append(e.match, field{"path", fields{{"prefix", path}}})
	}
	code := func(text string, otherwise int) int {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
		return otherwise
	}
	redirect := func(annotation, url string, status int) {
		keep := strings.HasSuffix(url, "$request_uri")
		to, ok := redirectTo(strings.TrimSuffix(url, "$request_uri"))
		if !ok || strings.Contains(strings.TrimSuffix(url, "$request_uri"), "$") {
			m.leave(`metadata.annotations["`+nginx+annotation+`"]`, "%q is no URL without nginx variables: write redirect by hand", url)
			return
		}
		if keep {
			to = to[:len(to)-2] // path and replace: the received path stays
		} else {
			to = append(to, field{"query", "drop"})
		}
		e.action = fields{{"redirect", append(fields{{"status", status}}, to...)}}
	}
	switch {
	case a.permanent != "":
		redirect("permanent-redirect", a.permanent, code(a.permanentCode, 301))
		return e
	case a.temporal != "":
		redirect("temporal-redirect", a.temporal, code(a.temporalCode, 302))
		return e
	}
	to := fields{}
	if a.target != "" {
		target, drop := strings.CutSuffix(a.target, "?")
		to = append(to, field{"path", target}, field{"replace", "whole"})
		if drop {
			to = append(to, field{"query", "drop"})
		}
		if a.prefix != "" {
			e.headers = fields{{"request", fields{{"set", fields{{"x-forwarded-prefix", literal(a.prefix)}}}}}}
		}
	}
	if a.vhost != "" {
		to = append(to, field{"host", literal(a.vhost)})
	}
	e.action = fields{}.with("rewrite", to)
	if len(e.action) == 0 {
		e.action = nil
	}
	return e
}
