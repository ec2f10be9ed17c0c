package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Refused says, after Start, why Envoy or a filter refused a configuration, one reason a line; none if all were taken.
// Envoy serves all the same, and answers 500 where such a filter stands.
func (e *Envoy) Refused(ctx context.Context) ([]string, error) {
	all, err := e.discovery(ctx)
	if err != nil {
		return nil, err
	}

	for _, filter := range all {
		if filter.rejections > 0 {
			return reasons(e.Log()), nil
		}
	}

	return nil, nil
}

// discovery is what the extension config discovery of a filter has counted.
type discovery struct{ attempts, successes, rejections int64 }

func (e *Envoy) discovery(ctx context.Context) (map[string]discovery, error) {
	const prefix = "extension_config_discovery.http_filter."
	stats, err := e.Stats(ctx, "^"+prefix)
	if err != nil {
		return nil, err
	}

	all := map[string]discovery{}
	for name := range stats {
		if filter, ok := strings.CutSuffix(name, ".update_attempt"); ok {
			all[strings.TrimPrefix(filter, prefix)] = discovery{
				stats[name], stats[filter+".update_success"], stats[filter+".update_rejected"],
			}
		}
	}

	return all, nil
}

// rejected is what Envoy logs of a rejected configuration, last.
const rejected = "Filesystem config update rejected: "

// reasons are what the filters wrote at level critical; if they wrote nothing, what Envoy itself says of Wasm and of the
// rejected configuration.
func reasons(log string) []string {
	var filters, envoy []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if _, message, ok := strings.Cut(line, "] wasm log "); ok {
			if strings.Contains(line, "[critical]") {
				filters = append(filters, message)
			}
		} else if strings.Contains(line, "][wasm] ") || strings.Contains(line, "config update rejected") {
			_, message, _ := strings.Cut(line, ".cc:")
			_, message, _ = strings.Cut(message, "] ")
			envoy = append(envoy, message)
		}
	}
	if len(filters) > 0 {
		return filters
	}

	return envoy
}

// AdminAddress is the IP:port of the admin interface.
func (e *Envoy) AdminAddress() string { return strings.TrimPrefix(e.admin, "http://") }

// Admin asks the admin interface, such as GET /stats or POST /logging?level=info, and returns the body of a 200.
func (e *Envoy) Admin(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, e.admin+path, nil)
	if err != nil {
		return nil, err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("envoy: admin %s: %s: %s", path, response.Status, body)
	}

	return body, err
}

// Stats are the counters and gauges whose name matches the regular expression filter, by name; "" is all of them.
// Histograms and texts are left out.
func (e *Envoy) Stats(ctx context.Context, filter string) (map[string]int64, error) {
	body, err := e.Admin(ctx, http.MethodGet, "/stats?format=json&filter="+url.QueryEscape(filter))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Stats []struct {
			Name  string
			Value any
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("envoy: statistics: %w", err)
	}

	stats := map[string]int64{}
	for _, stat := range answer.Stats {
		if value, ok := stat.Value.(float64); ok {
			stats[stat.Name] = int64(value)
		}
	}

	return stats, nil
}

func (e *Envoy) readPorts(ctx context.Context) error {
	body, err := e.Admin(ctx, http.MethodGet, "/listeners?format=json")
	if err != nil {
		return err
	}
	var answer struct {
		Listeners []struct {
			Name         string
			LocalAddress struct {
				SocketAddress struct {
					Port int `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("envoy: listeners: %w", err)
	}

	for _, listener := range answer.Listeners {
		e.ports[listener.Name] = listener.LocalAddress.SocketAddress.Port
	}

	return nil
}
