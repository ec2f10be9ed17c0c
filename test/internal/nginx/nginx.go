// Package nginx owns one real nginx with the servers and locations that
// ingress-nginx writes for Ingresses. What it writes is told after the
// controller's source (v1.15.1: createServers and getBackendServers of
// controller.go, updateServerLocations of location.go, buildLocation and
// buildProxyPass of template.go, SERVER of nginx.tmpl, and redirect_to_https of
// lua_ingress.lua); none of it is copied, and it knows nothing of
// internal/migrate, which is held against it.
package nginx

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

// Location is one of nginx, and where it sends requests.
type Location struct {
	Path    string
	Exact   bool
	Regex   bool   // of its server
	Service string // "" for the controller's own 404
	lines   []string
}

// Server is one of nginx.
type Server struct {
	Host      string
	Aliases   []string
	Locations []Location
	lines     []string
}

const prefix = "nginx.ingress.kubernetes.io/"

// location is one in the making.
type location struct {
	path, service string
	kind          networking.PathType
	made          bool // for the host, not of a path
	of            *networking.Ingress
}

func (l *location) says(name string) string { return l.of.Annotations[prefix+name] }

func (l *location) rewrites() bool {
	target := l.says("rewrite-target")
	return target != "" && target != l.path
}

// Servers says which servers ingress-nginx makes of Ingresses.
func Servers(ingresses []*networking.Ingress) []Server {
	list := slices.Clone(ingresses)
	slices.SortStableFunc(list, func(a, b *networking.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(b.Namespace+"/"+b.Name, a.Namespace+"/"+a.Name))
	})

	hosts := map[string][]*location{}
	aliases := map[string]string{}

	secure := map[string]bool{}
	for _, o := range list {
		for _, rule := range o.Spec.Rules {
			if hosts[rule.Host] == nil {
				hosts[rule.Host] = []*location{{path: "/", kind: networking.PathTypePrefix, made: true, of: o}}
			}
			if aliases[rule.Host] == "" {
				aliases[rule.Host] = o.Annotations[prefix+"server-alias"]
			}

			secure[rule.Host] = secure[rule.Host] || len(o.Spec.TLS) > 0
		}
	}

	for _, o := range list {
		for _, rule := range o.Spec.Rules {
			if rule.HTTP == nil {
				continue
			}

			for _, p := range rule.HTTP.Paths {
				l := &location{path: p.Path, service: p.Backend.Service.Name, kind: *p.PathType, of: o}
				add(hosts, rule.Host, l)
			}
		}
	}

	var servers []Server
	for host, locations := range hosts {
		slices.SortStableFunc(locations, func(a, b *location) int {
			return cmp.Or(len(b.path)-len(a.path), strings.Compare(b.path, a.path))
		})

		s := Server{Host: host}
		if aliases[host] != "" {
			s.Aliases = strings.Split(aliases[host], ",")
		}
		s.write(locations, secure[host])
		servers = append(servers, s)
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Host, b.Host) })

	return servers
}

func add(hosts map[string][]*location, host string, l *location) {
	for i, was := range hosts[host] {
		if was.path != l.path {
			continue
		}
		if was.kind != l.kind {
			break
		}
		if was.made {
			hosts[host][i] = l
		}
		return
	}

	hosts[host] = append(hosts[host], l)
}

// write puts the locations into the server as the template does: every one a
// regex where one of them rewrites or says so, and of a plain prefix two.
func (s *Server) write(locations []*location, secure bool) {
	regex := slices.ContainsFunc(locations, func(l *location) bool { return l.rewrites() || l.says("use-regex") == "true" })

	exact := map[string]bool{}
	for _, l := range locations {
		exact[l.path] = exact[l.path] || l.kind == networking.PathTypeExact
		if root := l.says("app-root"); root != "" {
			s.lines = append(s.lines, fmt.Sprintf("if ($uri = /) { return 302 $sent_scheme://$http_host%s; }", root))
		}
	}

	for _, l := range locations {
		one := Location{Path: l.path, Exact: l.kind == networking.PathTypeExact, Regex: regex, Service: l.service, lines: l.directives(secure)}
		if l.path == "/" || l.kind != networking.PathTypePrefix || l.rewrites() || l.says("use-regex") == "true" {
			s.Locations = append(s.Locations, one)
			continue
		}

		whole := one
		one.Path = strings.TrimSuffix(l.path, "/") + "/"
		s.Locations = append(s.Locations, one)
		if !exact[l.path] {
			whole.Exact = true
			s.Locations = append(s.Locations, whole)
		}
	}
}

// directives are what the template writes into a location.
func (l *location) directives(secure bool) (lines []string) {
	target, path := l.says("rewrite-target"), strings.ReplaceAll(strings.ReplaceAll(l.path, `\`, `\\`), `"`, `\"`)
	host := "$http_host"
	if vhost := l.says("upstream-vhost"); vhost != "" {
		host = vhost
	}

	lines = append(lines, "port_in_redirect off;", fmt.Sprintf("proxy_set_header Host %q;", host))
	if cookie := l.says("proxy-cookie-path"); cookie != "" {
		lines = append(lines, "proxy_cookie_path "+cookie+";")
	}
	if from, to := l.says("proxy-redirect-from"), l.says("proxy-redirect-to"); from != "" && to != "" {
		lines = append(lines, "proxy_redirect "+from+" "+to+";")
	} else {
		lines = append(lines, "proxy_redirect off;")
	}
	if url := l.says("temporal-redirect"); url != "" {
		lines = append(lines, "return 302 "+url+";")
	} else if url := l.says("permanent-redirect"); url != "" {
		code := cmp.Or(l.says("permanent-redirect-code"), "301")
		lines = append(lines, "return "+code+" "+url+";")
	}
	// In the controller this is Lua, which runs after nginx's own rewrites; those
	// that answer have answered then.
	elsewhere := strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://")
	if (l.says("force-ssl-redirect") == "true" || secure && l.says("ssl-redirect") != "false") && !elsewhere {
		lines = append(lines, "if ($sent_scheme = http) { return 308 https://$host$request_uri; }")
	}
	if l.rewrites() {
		lines = append(lines, fmt.Sprintf(`rewrite "(?i)%s" %s break;`, path, target))
		if forwarded := l.says("x-forwarded-prefix"); forwarded != "" {
			lines = append(lines, fmt.Sprintf("proxy_set_header X-Forwarded-Prefix %q;", forwarded))
		}
	}
	if l.service == "" {
		return append(lines, "return 404;")
	}

	return append(lines, "proxy_pass http://"+l.service+";")
}

// Accepts reports whether nginx starts with servers: it takes no location twice,
// unless it is a regex.
func Accepts(servers []Server) bool {
	for _, s := range servers {
		seen := map[string]bool{}
		for _, l := range s.Locations {
			if seen[l.String()] && !l.Regex {
				return false
			}

			seen[l.String()] = true
		}
	}

	return true
}

func (l Location) String() string {
	path := `"` + strings.ReplaceAll(strings.ReplaceAll(l.Path, `\`, `\\`), `"`, `\"`) + `"`
	switch {
	case l.Regex:
		return `location ~* "^` + path[1:]
	case l.Exact:
		return "location = " + path
	}
	return "location " + path
}

func (s *Server) name() string {
	if s.Host == "" {
		return "_"
	}
	if rest, ok := strings.CutPrefix(s.Host, "*."); ok {
		return `"~^(?<subdomain>[\w-]+)\.` + regexp.QuoteMeta(rest) + `$"`
	}
	return s.Host
}

// MustStart starts nginx with servers, in front of the services, which have
// addresses, and gives its own.
func MustStart(t testing.TB, binary string, servers []Server, services map[string]string) string {
	t.Helper()

	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off; master_process off; worker_processes 1; pid %s/pid; error_log stderr warn;\nevents {}\nhttp {\naccess_log off; "+
		"server_names_hash_max_size 8192; server_names_hash_bucket_size 256;\n", dir)

	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	b.WriteString("map $http_x_forwarded_proto $sent_scheme { default http; https https; }\n")

	for name, address := range services {
		fmt.Fprintf(&b, "upstream %s { server %s; keepalive 8; }\n", name, address)
	}

	for _, s := range servers {
		fmt.Fprintf(&b, "server {\nlisten 127.0.0.1:%d%s;\nserver_name %s %s;\nproxy_http_version 1.1;\n", port,
			map[bool]string{true: " default_server"}[s.Host == ""], s.name(), strings.Join(s.Aliases, " "))

		for _, line := range s.lines {
			b.WriteString(line + "\n")
		}

		for _, l := range s.Locations {
			fmt.Fprintf(&b, "%s {\n%s\n}\n", l, strings.Join(l.lines, "\n"))
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n")

	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	address := fmt.Sprintf("127.0.0.1:%d", port)
	process.MustStart(t, process.Config{Name: "nginx", Path: binary, Args: []string{"-p", dir, "-c", file}, Ready: process.TCP(address)})

	return address
}
