package test

import (
	"fmt"
	"strings"
	"time"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/nginx"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// ingressGenerator makes Ingresses that share the hosts of one set.
type ingressGenerator struct {
	random
	set int
}

func (g ingressGenerator) chance(n int) bool { return g.IntN(n) == 0 }

func (g ingressGenerator) ingresses() (list []*networking.Ingress) {
	hosts := []string{fmt.Sprintf("a.set%d.example.com", g.set), fmt.Sprintf("b.set%d.example.com", g.set)}
	if g.chance(4) {
		hosts[1] = fmt.Sprintf("*.set%d.example.com", g.set)
	}

	for i := range 1 + g.IntN(3) {
		o := &networking.Ingress{}
		o.APIVersion, o.Kind = "networking.k8s.io/v1", "Ingress"
		o.Name = fmt.Sprintf("set%d-%c", g.set, 'c'-i)
		class := "nginx"
		o.Spec.IngressClassName = &class
		if g.chance(2) {
			o.CreationTimestamp = meta.NewTime(time.Unix(int64(1e9+g.IntN(3)), 0).UTC())
		}

		captures := g.IntN(3)
		o.Annotations = g.annotations(captures, i == 0, hosts)
		if g.chance(4) {
			o.Spec.TLS = []networking.IngressTLS{{Hosts: hosts, SecretName: "tls"}}
		}

		for _, host := range hosts[:1+g.IntN(2)] {
			rule := networking.IngressRule{Host: host}
			if !g.chance(10) {
				rule.HTTP = &networking.HTTPIngressRuleValue{}
				for range 1 + g.IntN(4) {
					rule.HTTP.Paths = append(rule.HTTP.Paths, g.path(captures))
				}
			}

			o.Spec.Rules = append(o.Spec.Rules, rule)
		}

		list = append(list, o)
	}

	return list
}

func (g ingressGenerator) path(captures int) networking.HTTPIngressPath {
	kind := networking.PathTypeImplementationSpecific

	var path string
	switch captures {
	case 0:
		path = g.of("/", "/app", "/app/v1", "/api/", "/app.js", "/API", "/app/v1/x")
		kind = networking.PathType(g.of("Prefix", "Exact", "ImplementationSpecific"))
	case 1:
		path = g.of("/app/(.*)", "/app(.*)", "/(.*)", "/app/?(.*)", "/v[0-9]+/(.*)", "/app(/.*|)", "/(app|api)/x", "/app/(.+)", "/app(.+)", "/")
	default:
		path = g.of("/app(/|$)(.*)", "/(app|api)/?(.*)", "/(app)/([a-z]+)", "/app/([a-z]*)/(.*)", "/api(/|$)(.*)", "/x/(a)(/.*)$")
	}

	return networking.HTTPIngressPath{Path: path, PathType: &kind, Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{
		Name: g.of(ingressServices...), Port: networking.ServiceBackendPort{Number: 80},
	}}}
}

func (g ingressGenerator) annotations(captures int, first bool, hosts []string) map[string]string {
	all := map[string]string{}

	put := func(n int, name string, values ...string) {
		if g.chance(n) {
			all["nginx.ingress.kubernetes.io/"+name] = g.of(values...)
		}
	}
	switch captures {
	case 0:
		put(3, "rewrite-target", "/", "/new", "/app", "/new?a=b", "https://other.example.com/new")
	case 1:
		put(1, "rewrite-target", "/$1", "/new/$1", "/new$1", "/$1?", "/new/$1?x=$1", "https://other.example.com/$1", "/$1/end", "/$2")
	default:
		put(1, "rewrite-target", "/$2", "/$1/$2", "/$2/$1", "/new/$2", "/$2?v=$1", "https://other.example.com/$2/$1")
	}
	put(5, "use-regex", "true", "false")
	put(12, "app-root", "/app", "/app/v1")
	put(15, "permanent-redirect", "https://moved.example.com", "https://moved.example.com/x?y=z", "https://moved.example.com$request_uri",
		"https://$host/elsewhere$request_uri", "http://moved.example.com:8080/a")
	put(3, "permanent-redirect-code", "308", "301")
	put(20, "temporal-redirect", "https://soon.example.com/$request_method", "https://soon.example.com$request_uri", "https://soon.example.com/s?from=$uri")
	put(5, "upstream-vhost", "internal.example.com", "internal.example.com:8080")
	put(4, "x-forwarded-prefix", "/app", "/$1")
	put(6, "ssl-redirect", "false", "true")
	put(12, "force-ssl-redirect", "true")
	put(6, "proxy-cookie-path", "/ /app/", "/x /y")
	if g.chance(6) {
		all["nginx.ingress.kubernetes.io/proxy-redirect-from"], all["nginx.ingress.kubernetes.io/proxy-redirect-to"] = g.of("/",
			"http://internal.example.com/"), g.of("/app/", "https://out.example.com/")
	}
	if first && g.chance(6) {
		all["nginx.ingress.kubernetes.io/server-alias"] = "alias" + hosts[0][1:]
	}

	return all
}

// ingressRequest makes a request that some location of a server may take.
func ingressRequest(g random, s nginx.Server) wire.Message {
	host := strings.Replace(s.Host, "*", g.of("w", "with-dash"), 1)
	if len(s.Aliases) > 0 && g.IntN(3) == 0 {
		host = s.Aliases[0]
	}
	if g.IntN(6) == 0 {
		host += ":8080"
	}

	path := g.of("/", "/app", "/app/", "/app/x", "/app/x/y.js", "/appx", "/api", "/api/v1/x", "/app/v1", "/app/v1/", "/app/v1/x", "/API/x", "/v2/x/",
		"/app.js", "/appXjs", "/x/a/b", "/x/a", "/other", "/app/abc/def/", "/APP/x")
	if query := g.of("", "", "?a=b", "?a=/&c"); query != "" {
		path += query
	}

	headers := []rewrite.Header{{Name: ":authority", Value: host}}
	if g.IntN(3) == 0 {
		headers = append(headers, rewrite.Header{Name: "x-forwarded-proto", Value: g.of("https", "http")})
	}
	if g.IntN(3) == 0 {
		headers = append(headers, rewrite.Header{Name: "x-answer-location",
			Value: g.of("/login", "http://internal.example.com/x", "https://elsewhere.example.com/", "/")})
		headers = append(headers, rewrite.Header{Name: "x-answer-cookie", Value: g.of("a=b; Path=/; Secure", "a=b; path=/x/y", "a=b", "a=/; Path=/x")})
	}

	return wire.Message{Start: "GET", Target: path, Headers: headers}
}
