// Package envoy owns one real Envoy: listeners with HTTP filters in front of upstreams. Filters are handed over by
// extension config discovery, as istiod does it, and can be changed while Envoy runs.
package envoy

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// Config says what Envoy to run, and with what.
type Config struct {
	// Binary is the Envoy to run.
	Binary string
	// Listeners are served, each on its own port of 127.0.0.1.
	Listeners []Listener
	// Workers is the number of worker threads. Default: 1.
	Workers int
	// LogLevel is Envoy's: trace, debug, info, warning, error, critical, off. Default: warning.
	LogLevel string
	// Log receives a copy of Envoy's log. Default: nobody.
	Log io.Writer
	// SameProtocol speaks to upstreams in the protocol of the client, HTTP/1.1 or HTTP/2, instead of HTTP/1.1.
	SameProtocol bool
	// Requests is how many requests and connections may be open at once to one upstream. Default: Envoy's, 1,024.
	Requests int
	// Bootstrap holds further fields of the bootstrap, as Envoy's JSON.
	Bootstrap map[string]any
}

// Listener is a port, the filters on it and where requests go.
type Listener struct {
	// Name is what URL and the statistics call it.
	Name string
	// Port on 127.0.0.1. 0 takes a free one.
	Port int
	// Filters see the request in this order and the response in the opposite one. Listeners may share a filter; it
	// is then the same in name and configuration.
	Filters []Filter
	// Upstream is the IP:port that gets the requests. It is also the name of its cluster.
	Upstream string
	// Manager holds further fields of the HTTP connection manager, as Envoy's JSON.
	Manager map[string]any
	// Routes replace the one route, which sends everything to Upstream; as Envoy's JSON.
	Routes []map[string]any
}

// Filter is an HTTP filter.
type Filter struct {
	// Name is the filter's, and that of its configuration's resource.
	Name string
	// Config is the filter's configuration as Envoy's JSON, "@type" included.
	Config map[string]any
	// Static hands the configuration over in the bootstrap: it cannot be changed, and Envoy does not start with one that
	// is refused. Many filters want it: Envoy watches each file with an inotify instance, of which Linux gives 128.
	Static bool
}

// Plugin is what istiod knows of a WasmPlugin when it configures a proxy.
type Plugin struct {
	// Name is namespace.name of the WasmPlugin.
	Name string
	// PluginName is spec.pluginName, which becomes the root_id.
	PluginName string
	// Module is the file that holds the module.
	Module string
	// Configuration is spec.pluginConfig as JSON.
	Configuration string
	// FailurePolicy is FAIL_OPEN, FAIL_CLOSED or FAIL_RELOAD. Default: FAIL_RELOAD.
	FailurePolicy string
}

// Wasm is the filter that istiod makes of a WasmPlugin.
func Wasm(p Plugin) Filter {
	if p.FailurePolicy == "" {
		p.FailurePolicy = "FAIL_RELOAD"
	}

	return Filter{Name: "extensions.istio.io/wasmplugin/" + p.Name, Config: map[string]any{
		"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
		"config": map[string]any{
			"name":           p.Name,
			"root_id":        p.PluginName,
			"failure_policy": p.FailurePolicy,
			"vm_config": map[string]any{
				"runtime": "envoy.wasm.runtime.v8",
				"code":    map[string]any{"local": map[string]any{"filename": p.Module}},
			},
			"configuration": map[string]any{
				"@type": "type.googleapis.com/google.protobuf.StringValue",
				"value": p.Configuration,
			},
		},
	}}
}

// Envoy is one running Envoy.
type Envoy struct {
	*process.Process
	dir   string
	admin string
	ports map[string]int
}

//go:embed bootstrap.yaml.tmpl
var bootstrap string

// Start starts Envoy and returns once it serves every listener. When it fails, nothing is left running.
func Start(ctx context.Context, c Config) (_ *Envoy, err error) {
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.LogLevel == "" {
		c.LogLevel = "warning"
	}

	dir, err := os.MkdirTemp("", "wasm-rewrite-envoy-")
	if err != nil {
		return nil, err
	}

	e := &Envoy{dir: dir, ports: map[string]int{}}
	defer func() {
		if err != nil {
			_ = e.Stop()
		}
	}()

	for _, listener := range c.Listeners {
		for _, filter := range listener.Filters {
			if filter.Static {
				continue
			}
			if err := e.write(filter); err != nil {
				return nil, err
			}
		}
	}

	file := filepath.Join(dir, "bootstrap.yaml")
	text, err := render(dir, c)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}

	e.Process, err = process.Start(ctx, e.command(c, file))
	if err != nil {
		return nil, err
	}

	return e, e.readPorts(ctx)
}

// command is how Envoy is started, and when it is ready.
func (e *Envoy) command(c Config, file string) process.Config {
	adminFile := filepath.Join(e.dir, "admin")

	return process.Config{
		Name: "envoy",
		Path: c.Binary,
		Args: []string{
			"--config-path", file,
			"--admin-address-path", adminFile,
			"--concurrency", strconv.Itoa(c.Workers),
			"--log-level", c.LogLevel,
			"--file-flush-interval-msec", "100", // access logs
			"--disable-hot-restart", // several Envoys on one machine must not look for each other
		},
		Log: c.Log,
		Ready: func(ctx context.Context) error {
			address, err := os.ReadFile(adminFile)
			if err != nil {
				return err
			}

			e.admin = "http://" + string(address)
			return process.HTTP(e.admin + "/ready")(ctx)
		},
	}
}

// MustStart is Start for a test, which stops Envoy and shows the end of its log if the test failed.
func MustStart(t testing.TB, c Config) *Envoy {
	t.Helper()
	e, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Errorf("%v", err)
		}
		if t.Failed() {
			t.Logf("envoy: its log:\n%s", e.Log())
		}
	})

	return e
}

// Stop ends Envoy and returns when it is gone. The error says that it had not been running any more.
func (e *Envoy) Stop() error {
	defer os.RemoveAll(e.dir)
	if e.Process == nil {
		return nil
	}
	return e.Process.Stop()
}

// URL is http://127.0.0.1:port of a listener. It panics if there is no listener of that name.
func (e *Envoy) URL(listener string) string {
	return "http://127.0.0.1:" + strconv.Itoa(e.Port(listener))
}

// Port is the port of a listener. It panics if there is no listener of that name.
func (e *Envoy) Port(listener string) int {
	port, ok := e.ports[listener]
	if !ok {
		panic(fmt.Sprintf("envoy: no listener %q", listener))
	}
	return port
}

// Configure hands a new configuration of a filter to the running Envoy and returns once Envoy has taken it; the workers
// follow within milliseconds. A configuration that Envoy or the filter refuses is an error that says why.
func (e *Envoy) Configure(ctx context.Context, filter Filter) error {
	before, err := e.discovery(ctx)
	if err != nil {
		return err
	}

	logged := len(e.Log())
	if err := e.write(filter); err != nil {
		return err
	}

	var refused error

	was := before[filter.Name]
	err = wait.Eventually(ctx, time.Minute, func() error {
		all, err := e.discovery(ctx)
		if err != nil {
			refused = err
			return nil
		}

		is := all[filter.Name]
		if is.attempts == was.attempts || is.attempts != is.successes+is.rejections {
			return fmt.Errorf("envoy: configuration of %s not read", filter.Name)
		}
		if is.rejections == was.rejections {
			return nil
		}
		// The log follows the statistics, through a pipe.
		log := e.Log()[logged:]
		if !strings.Contains(log, rejected) {
			return fmt.Errorf("envoy: configuration of %s refused, and its log does not say so", filter.Name)
		}

		refused = fmt.Errorf("envoy: configuration of %s refused: %s", filter.Name, strings.Join(reasons(log), "; "))

		return nil
	})
	if err != nil {
		return err
	}

	return refused
}

// write puts a filter's configuration where Envoy reads it. The file appears by a rename, which is what Envoy watches
// for.
func (e *Envoy) write(filter Filter) error {
	if filter.Name == "" || filter.Config["@type"] == nil {
		return errors.New(`envoy: a filter needs a name, and "@type" in its configuration`)
	}

	data, err := json.Marshal(map[string]any{
		"resources": []any{map[string]any{
			"@type":        "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
			"name":         filter.Name,
			"typed_config": filter.Config,
		}},
	})
	if err != nil {
		return err
	}

	file := resourceFile(e.dir, filter.Name)
	if err := os.WriteFile(file+".part", data, 0o600); err != nil {
		return err
	}

	return os.Rename(file+".part", file)
}

func resourceFile(dir, filter string) string {
	return filepath.Join(dir, strings.ReplaceAll(filter, "/", "_")+".json")
}

type view struct {
	Config
	Dir string
}

func (v view) ResourceFile(filter string) string { return resourceFile(v.Dir, filter) }

// Upstreams are the addresses that requests go to, each once.
func (v view) Upstreams() []string {
	var list []string

	seen := map[string]bool{}
	for _, listener := range v.Listeners {
		if !seen[listener.Upstream] {
			seen[listener.Upstream] = true
			list = append(list, listener.Upstream)
		}
	}
	return list
}

func render(dir string, c Config) ([]byte, error) {
	functions := template.FuncMap{
		"json": func(v any) (string, error) {
			data, err := json.Marshal(v)
			return string(data), err
		},
		"socket": func(address string) (string, error) {
			host, port, err := net.SplitHostPort(address)
			return fmt.Sprintf("{address: %q, port_value: %s}", host, port), err
		},
	}
	var text bytes.Buffer
	err := template.Must(template.New("bootstrap").Funcs(functions).Parse(bootstrap)).Execute(&text, view{c, dir})

	return text.Bytes(), err
}
