package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// runEnvoy sends every exchange through one Envoy with the probe. It returns
// what was seen of them, and Envoy's log.
func runEnvoy(t *testing.T, envoy string, wasm []byte, exchanges []exchange) ([]observed, string) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()

	requests := make(chan string, 1)

	responses := make(chan string, 1)
	go func() {
		for {
			conn, err := upstream.Accept()
			if err != nil {
				return
			}
			serve(conn, requests, responses)
		}
	}()

	address, log := startEnvoy(t, envoy, wasm, upstream.Addr().(*net.TCPAddr).Port)

	seen := make([]observed, len(exchanges))
	for i, e := range exchanges {
		responses <- strings.Join(append([]string{"HTTP/1.1 200 OK", "connection: close", fmt.Sprintf("x-case: %04d", i),
			fmt.Sprintf("content-length: %d", len(e.body))}, e.response...), "\r\n") + "\r\n\r\n" + e.body

		method := e.method
		if method == "" {
			method = "GET"
		}

		raw := talk(t, address, strings.Join(append([]string{method + " /received HTTP/1.1", "host: example.com",
			fmt.Sprintf("x-case: %04d", i), "connection: close"}, e.request...), "\r\n")+"\r\n\r\n")
		headers, body, _ := strings.Cut(raw, "\r\n\r\n")

		seen[i].client = rawHead(headers) + "\n" + body
		select {
		case request := <-requests:
			seen[i].upstream = rawHead(request)
		default:
			<-responses // not asked for
		}
	}

	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}

	for id, saw := range byCase(messages(string(b))) {
		if i, err := strconv.Atoi(id); err == nil {
			seen[i].saw = saw
		}
	}

	return seen, string(b)
}

// startEnvoy starts an Envoy with the probe, which ends with the test, and gives
// its address and its log.
func startEnvoy(t *testing.T, envoy string, wasm []byte, upstream int) (address, logPath string) {
	t.Helper()

	dir := t.TempDir()
	code := filepath.Join(dir, "probe.wasm")
	if err := os.WriteFile(code, wasm, 0o600); err != nil {
		t.Fatal(err)
	}

	config := filepath.Join(dir, "envoy.json")
	if err := os.WriteFile(config, envoyConfig(code, upstream), 0o600); err != nil {
		t.Fatal(err)
	}

	logPath, adminPath := filepath.Join(dir, "log"), filepath.Join(dir, "admin")

	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(envoy, "-c", config, "--concurrency", "1", "--disable-hot-restart",
		"--admin-address-path", adminPath, "--log-format", separator+"%v", "-l", "info")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited

		_ = log.Close()
		if t.Failed() {
			if b, err := os.ReadFile(logPath); err == nil {
				t.Logf("the end of Envoy's log: %s", b[max(0, len(b)-2000):])
			}
		}
	})

	return listenerAddress(t, adminPath, exited), logPath
}

// messages returns what the probe logged.
func messages(log string) []string {
	var list []string
	for _, line := range strings.Split(log, separator) {
		// a plugin's own context logs without its name
		for _, prefix := range []string{"wasm log: ", "wasm log shop: "} {
			if m, ok := strings.CutPrefix(line, prefix); ok {
				list = append(list, strings.TrimSuffix(m, "\n"))
			}
		}
	}
	return list
}

// separator starts every message of Envoy's log: the messages are binary.
const separator = "\x1e\x1d\x1e"

// serve reads one request and answers it.
func serve(conn net.Conn, requests chan<- string, responses <-chan string) {
	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var head []byte

	r := bufio.NewReader(conn)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		c, err := r.ReadByte()
		if err != nil {
			return
		}

		head = append(head, c)
	}
	requests <- string(head)

	_, _ = io.WriteString(conn, <-responses)
}

// talk sends raw bytes and returns all that comes back.
func talk(t *testing.T, address, request string) string {
	t.Helper()

	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}

	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("reading the response to %q: %v", request, err)
	}

	return string(b)
}

// listenerAddress waits until Envoy serves.
func listenerAddress(t *testing.T, adminPath string, exited <-chan struct{}) string {
	var last error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-exited:
			t.Fatal("Envoy exited")
		default:
		}

		admin, err := os.ReadFile(adminPath)
		if last = err; err != nil {
			continue
		}

		ready, err := http.Get("http://" + string(admin) + "/ready")
		if last = err; err != nil {
			continue
		}
		ready.Body.Close()
		if ready.StatusCode != http.StatusOK {
			last = fmt.Errorf("%s", ready.Status)
			continue
		}

		listeners, err := http.Get("http://" + string(admin) + "/listeners?format=json")
		if last = err; err != nil {
			continue
		}
		var list struct {
			Statuses []struct {
				Address struct {
					Socket struct {
						Port int `json:"port_value"`
					} `json:"socket_address"`
				} `json:"local_address"`
			} `json:"listener_statuses"`
		}
		last = json.NewDecoder(listeners.Body).Decode(&list)
		listeners.Body.Close()
		if last == nil && len(list.Statuses) == 1 {
			return fmt.Sprintf("127.0.0.1:%d", list.Statuses[0].Address.Socket.Port)
		}
	}
	t.Fatalf("Envoy is not ready: %v", last)

	return ""
}

func envoyConfig(code string, upstream int) []byte {
	type object = map[string]any
	address := func(port int) object {
		return object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}
	}
	filter := func(name, kind string, config object) object {
		config["@type"] = "type.googleapis.com/envoy.extensions.filters." + kind
		return object{"name": name, "typed_config": config}
	}
	manager := filter("envoy.filters.network.http_connection_manager", "network.http_connection_manager.v3.HttpConnectionManager", object{
		"stat_prefix":           "in",
		"generate_request_id":   false,
		"delayed_close_timeout": "0s",
		"route_config": object{"virtual_hosts": []any{object{
			"name": "all", "domains": []any{"*"},
			"routes": []any{object{"match": object{"prefix": ""}, "route": object{"cluster": "upstream"}}},
		}}},
		"http_filters": []any{
			filter("probe", "http.wasm.v3.Wasm", object{"config": object{
				"name":          "shop",
				"configuration": object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "conf"},
				"vm_config": object{
					"runtime": "envoy.wasm.runtime.v8",
					"code":    object{"local": object{"filename": code}},
				},
			}}),
			filter("envoy.filters.http.router", "http.router.v3.Router", object{"suppress_envoy_headers": true}),
		},
	})
	b, err := json.Marshal(object{
		"admin": object{"address": address(0)},
		"static_resources": object{
			"listeners": []any{object{"name": "in", "address": address(0), "filter_chains": []any{object{"filters": []any{manager}}}}},
			"clusters": []any{object{
				"name": "upstream", "type": "STATIC", "connect_timeout": "5s",
				"load_assignment": object{"cluster_name": "upstream", "endpoints": []any{object{
					"lb_endpoints": []any{object{"endpoint": object{"address": address(upstream)}}},
				}}},
			}},
		},
	})
	if err != nil {
		panic(err)
	}

	return b
}
