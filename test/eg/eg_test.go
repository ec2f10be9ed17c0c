// Package eg_test proves the rules under a real Envoy Gateway: every test installs the chart with helm, as a user does,
// and asks the two proxies of a Gateway of its own. The cluster is started by the first test that needs it and shared.
package eg_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoygateway"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/testbed"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// settled is how long a change may take until both proxies act on it, on a machine that is busy with other tests, too. A
// controller that restarts waits for its lease first.
const settled = 4 * time.Minute

// patience is settled for helm and kubectl, which wait by themselves.
var patience = "--timeout=" + settled.String()

var bed struct {
	testbed.Life
	*envoygateway.Bed
}

func TestMain(m *testing.M) {
	bed.Main(m, func() error {
		if bed.Bed == nil {
			return nil
		}
		return bed.Stop()
	})
}

// start makes the bed, once.
func start(t *testing.T) {
	t.Helper()
	bed.Start(t, func() error {
		made.File(t, "eg-tools")

		began := time.Now()
		started, err := envoygateway.Start(bed.Context, envoygateway.Config{
			Build:   filepath.Join(made.Root, "build"),
			Gateway: filepath.Join(made.Root, made.Variable(t, "EG")),
			Envoy:   made.File(t, made.Variable(t, "EG_ENVOY")),
		})
		if err != nil {
			return err
		}

		bed.Bed = started
		t.Logf("Envoy Gateway was up after %s", time.Since(began).Round(100*time.Millisecond))

		return nil
	})
}

// space is one test's namespace: a Gateway with two proxies, and httpbin under the routes shop and other.
type space struct {
	*testing.T
	name string
	// address is where the proxies take requests, one of the two for each connection.
	address string
}

//go:embed space.yaml.tmpl
var spaceText string

var spaceTemplate = template.Must(template.New("space.yaml").Parse(spaceText))

// newSpace returns once both proxies serve both routes.
func newSpace(t *testing.T) *space {
	t.Helper()
	start(t)
	created, err := bed.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "eg-", Labels: map[string]string{"test": "eg"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}

	s := &space{T: t, name: created.Name}
	t.Cleanup(func() {
		if t.Failed() {
			s.show()
		}
		if err := bed.Client.CoreV1().Namespaces().Delete(context.Background(), s.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})

	var manifest bytes.Buffer
	if err := spaceTemplate.Execute(&manifest, map[string]any{
		"Namespace": s.name, "HTTPBin": bed.HTTPBin, "Proxy": bed.Proxy, "Routes": []string{"shop", "other"},
	}); err != nil {
		t.Fatal(err)
	}
	s.apply(manifest.String())
	s.within(s.ready)

	return s
}

// newSpaceAlone is one for a test that is about the controller as a whole, or counts on it not asking for a module. Such a
// test is not parallel; what remains of the tests before it is gone first, as the end of each of its objects makes the
// controller ask, too.
func newSpaceAlone(t *testing.T) *space {
	t.Helper()
	start(t)

	s := &space{T: t}
	s.within(func() error {
		namespaces, err := bed.Client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: spaceLabel})
		if err != nil {
			return err
		}

		owned := metav1.ListOptions{LabelSelector: "gateway.envoyproxy.io/owning-gateway-name"}
		proxies, err := bed.Client.CoreV1().Pods(envoygateway.Namespace).List(t.Context(), owned)
		if err == nil && len(namespaces.Items)+len(proxies.Items) > 0 {
			return fmt.Errorf("%d namespaces and %d proxies of earlier tests are left", len(namespaces.Items), len(proxies.Items))
		}

		return err
	})

	return newSpace(t)
}

// spaceLabel is on the namespace of each space.
const spaceLabel = "test=eg"

// ready is whether both proxies are there, where they can be asked.
func (s *space) ready() error {
	services, err := bed.Client.CoreV1().Services(envoygateway.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: s.owned()})
	if err != nil {
		return err
	}
	if len(services.Items) != 1 || len(services.Items[0].Spec.Ports) != 1 {
		return fmt.Errorf("%d Services of the Gateway, want 1 with one port", len(services.Items))
	}

	s.address = fmt.Sprintf("http://%s:%d", bed.IP, services.Items[0].Spec.Ports[0].NodePort)

	pods, err := bed.Client.CoreV1().Pods(envoygateway.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: s.owned()})
	if err != nil {
		return err
	}

	serving := 0
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				serving++
			}
		}
	}
	if serving != 2 || len(pods.Items) != 2 {
		return fmt.Errorf("%d of %d proxies are ready, want 2 of 2", serving, len(pods.Items))
	}

	return errors.Join(s.answers("shop", "/status/200", http.StatusOK), s.answers("other", "/status/200", http.StatusOK))
}

// owned selects what Envoy Gateway made for the Gateway.
func (s *space) owned() string {
	return "gateway.envoyproxy.io/owning-gateway-name=public,gateway.envoyproxy.io/owning-gateway-namespace=" + s.name
}

// proxies are the names of the two proxies' Pods.
func (s *space) proxies() (names []string) {
	s.Helper()
	pods, err := bed.Client.CoreV1().Pods(envoygateway.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: s.owned()})
	if err != nil {
		s.Fatal(err)
	}

	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			names = append(names, pod.Name)
		}
	}

	return names
}

// show prints what a person would look at.
func (s *space) show() {
	for _, command := range []string{
		"get pods --output=wide --all-namespaces",
		"get envoyextensionpolicies,httproutes --output=yaml",
		"get events --field-selector=type=Warning",
		"logs --namespace=envoy-gateway-system --container=envoy --tail=20 --selector=" + s.owned(),
		"logs --namespace=envoy-gateway-system --tail=20 --selector=control-plane=envoy-gateway",
	} {
		out, err := s.kubectl(context.Background(), strings.Fields(command)...)
		s.Logf("kubectl %s: %v\n%s", command, err, out)
	}
}

// kubectl runs it in the space's namespace.
func (s *space) kubectl(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, "kubectl", append([]string{"--namespace", s.name}, args...)...)
}

// run is kubectl where it has to work; it returns what it printed.
func (s *space) run(args ...string) string {
	s.Helper()
	out, err := s.kubectl(s.Context(), args...)
	if err != nil {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// tool runs one of the project's programs for the cluster and returns all that it printed.
func tool(ctx context.Context, program string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(made.Root, "build/bin", program), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+bed.Kubeconfig, "KUBECACHEDIR="+filepath.Join(bed.Dir, "kubecache"))
	out, err := command.CombinedOutput()
	return string(out), err
}

func (s *space) apply(manifest string) {
	s.Helper()
	s.run("apply", "--filename", s.file(manifest))
}

// file writes text to a file that lives as long as the test.
func (s *space) file(text string) string {
	s.Helper()
	return testbed.File(s, text)
}

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

// fresh makes a connection for each request, so that both proxies are asked.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// get asks one of the proxies for a path under a route.
func (s *space) get(client *http.Client, route, path string, headers ...string) (answer, error) {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.address+path, nil)
	if err != nil {
		return answer{}, err
	}

	request.Host = route + ".example"
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}

	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)

	return answer{response, string(body)}, err
}

// answers is whether a request is answered with a status.
func (s *space) answers(route, path string, status int, headers ...string) error {
	a, err := s.get(fresh, route, path, headers...)
	if err != nil {
		return err
	}
	if a.StatusCode != status {
		return fmt.Errorf("%s of %s answers %s, want %d; body %.200q", path, route, a.Status, status, a.body)
	}
	return nil
}

// within waits until a condition holds, and returns how long that took.
func (s *space) within(condition func() error) time.Duration {
	s.Helper()

	began := time.Now()
	if err := wait.Eventually(bed.Context, settled, condition); err != nil {
		s.Fatal(err)
	}

	return time.Since(began).Round(10 * time.Millisecond)
}

// stays wants a condition to hold for a while.
func (s *space) stays(condition func() error) {
	s.Helper()

	if err := wait.Consistently(bed.Context, 2*time.Second, condition); err != nil {
		s.Fatal(err)
	}
}

// inRow is how many answers have to be alike until both proxies are taken to give them. Each connection is to one of the two
// by chance, and while only one of them has changed, a test tries hundreds of times: twelve in a row were seen then.
const inRow = 40

// becomes waits until a request has been answered with a status many times in a row, which two proxies do not do by
// chance, and wants it to stay so.
func (s *space) becomes(route, path string, status int, headers ...string) {
	s.Helper()
	s.within(func() error {
		for range inRow {
			if err := s.answers(route, path, status, headers...); err != nil {
				return err
			}
		}
		return nil
	})
	s.stays(func() error { return s.answers(route, path, status, headers...) })
}

// condition is the reason and the message of a condition of a policy as it is now, where it has the wanted status.
func (s *space) condition(policy, kind, status string) (reason, message string, err error) {
	out, err := s.kubectl(s.Context(), "get", "envoyextensionpolicy", policy, "--output=json")
	if err != nil {
		return "", "", fmt.Errorf("%w: %s", err, out)
	}
	var object struct {
		Metadata metav1.ObjectMeta
		Status   struct {
			Ancestors []struct {
				Conditions []metav1.Condition
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		return "", "", err
	}

	for _, ancestor := range object.Status.Ancestors {
		for _, c := range ancestor.Conditions {
			if c.Type == kind && string(c.Status) == status && c.ObservedGeneration == object.Metadata.Generation {
				return c.Reason, c.Message, nil
			}
		}
	}

	return "", "", fmt.Errorf("policy %s has no condition %s=%s of generation %d: %+v", policy, kind, status, object.Metadata.Generation, object.Status)
}
