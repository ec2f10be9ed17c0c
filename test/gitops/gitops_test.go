// Package gitops_test proves argocd/ and environments/ with a real Argo CD: a push to a real git server whose webhooks
// reach Argo CD, which renders the chart from a real registry and syncs a real mesh. The mesh and Argo CD are started by
// the first test that needs them and shared. The repository under test is a copy of this one, with the names that
// `make own` wrote.
package gitops_test

import (
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
	"time"

	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/argocd"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/gitserver"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/mesh"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/testbed"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// settled is how long a push may take until every proxy acts on it.
const settled = 30 * time.Second

var environments = mesh.Environments

var bed struct {
	testbed.Life
	*mesh.Mesh
	argo    *argocd.ArgoCD
	git     *gitserver.Server
	objects dynamic.Interface
	tree    string // a user's clone of the repository
	dir     string // holds it
	gates   string // digest of the image that checks releases
}

func TestMain(m *testing.M) { bed.Main(m, end) }

func end() (err error) {
	if bed.git != nil {
		err = bed.git.Down()
	}
	if bed.Mesh != nil {
		err = errors.Join(err, bed.Stop())
	}
	if bed.dir != "" {
		err = errors.Join(err, os.RemoveAll(bed.dir))
	}
	return err
}

// start makes the bed, once: after it the three environments run what this repository's own environments/ say.
func start(t *testing.T) {
	t.Helper()
	bed.Start(t, func() error {
		made.Helm(t)
		if err := testbed.UseTools(); err != nil {
			return err
		}

		for _, target := range []string{"mesh-tools", "argocd", "build/bin/publish", "build/bin/wasm-rewrite"} {
			made.File(t, target)
		}

		envoy, module := made.File(t, made.Variable(t, "MESH_ENVOY")), made.Module(t)
		istio := made.Variable(t, "MESH_ISTIO")
		began := time.Now()
		if err := makeBed(istio, envoy, module); err != nil {
			return err
		}
		t.Logf("mesh and Argo CD were up and synced after %s", time.Since(began).Round(100*time.Millisecond))

		return nil
	})
}

func makeBed(istio, envoy, module string) (err error) {
	build := filepath.Join(made.Root, "build")
	if bed.dir, err = os.MkdirTemp("", "wasm-rewrite-gitops-"); err != nil {
		return err
	}
	if bed.Mesh, err = mesh.Start(bed.Context, mesh.Config{Build: build, Istio: filepath.Join(made.Root, istio), Envoy: envoy}); err != nil {
		return err
	}
	// Clusters follow each other at the same address, and what is cached of one misleads about the next.
	if err := os.Setenv("KUBECACHEDIR", filepath.Join(bed.Cluster.Dir, "kubecache")); err != nil {
		return err
	}
	if bed.objects, err = dynamic.NewForConfig(bed.Cluster.REST); err != nil {
		return err
	}

	shop, err := mesh.Shop(bed.HTTPBin)
	if err != nil {
		return err
	}
	if err := apply(shop); err != nil {
		return err
	}
	if bed.git, err = gitserver.Start(bed.HostIP, bed.dir); err != nil {
		return err
	}
	if err := fork(); err != nil {
		return err
	}
	if err := release(module); err != nil {
		return err
	}
	if err := push("the rules of a shop"); err != nil {
		return err
	}

	argo, err := argocd.Start(bed.Context, bed.Cluster, build)
	if err != nil {
		return err
	}
	bed.git.Call(argo.Webhooks...)
	// The registry serves plain HTTP.
	if err := apply(fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: argocd, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {type: oci, url: "oci://%s/charts/wasm-rewrite", insecureOCIForceHttp: "true"}
`, bed.Images)); err != nil {
		return err
	}

	if err := rollOut(); err != nil {
		return err
	}

	bed.argo = argo

	return nil
}

// rollOut gives Argo CD the root of all, and waits until every environment runs.
func rollOut() error {
	root, err := os.ReadFile(filepath.Join(bed.tree, "argocd/root.yaml"))
	if err != nil {
		return err
	}
	if err := apply(string(root)); err != nil {
		return err
	}

	for _, environment := range environments {
		if err := eventually(2*time.Minute, func() error { return synced(environment) }); err != nil {
			return err
		}
		if err := kubectl("rollout", "status", "deployment/checkout", "--namespace=shop-"+environment, "--timeout=90s"); err != nil {
			return err
		}
		if err := eventually(settled, func() error { return rewrites(environment, "/cart/7", "/anything/basket/7") }); err != nil {
			return err
		}
	}

	return nil
}

func apply(manifest string) error {
	command := exec.CommandContext(bed.Context, "kubectl", "--kubeconfig="+bed.Kubeconfig, "apply", "--filename=-")
	command.Stdin = strings.NewReader(manifest)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}

func kubectl(args ...string) error {
	out, err := exec.CommandContext(bed.Context, "kubectl", append([]string{"--kubeconfig=" + bed.Kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

var (
	applications    = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	applicationSets = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applicationsets"}
	wasmPlugins     = schema.GroupVersionResource{Group: "extensions.istio.io", Version: "v1alpha1", Resource: "wasmplugins"}
)

func application(environment string) (*unstructured.Unstructured, error) {
	return bed.objects.Resource(applications).Namespace(argocd.Namespace).Get(bed.Context, "wasm-rewrite-"+environment, metav1.GetOptions{})
}

// synced is whether Argo CD says that an environment runs the clone's last commit.
func synced(environment string) error {
	head, err := inTree("git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}

	app, err := application(environment)
	if err != nil {
		return err
	}

	status, _, _ := unstructured.NestedMap(app.Object, "status")
	state, _, _ := unstructured.NestedString(status, "sync", "status")
	revisions, _, _ := unstructured.NestedStringSlice(status, "sync", "revisions")
	phase, _, _ := unstructured.NestedString(status, "operationState", "phase")
	if state != "Synced" || len(revisions) == 0 || revisions[len(revisions)-1] != strings.TrimSpace(head) || phase != "Succeeded" {
		message, _, _ := unstructured.NestedString(status, "operationState", "message")
		conditions, _ := json.Marshal(status["conditions"])
		return fmt.Errorf("%s is %s at %v, operation %s %s, want %s; %s", app.GetName(), state, revisions, phase, message, head, conditions)
	}

	return nil
}

// seen is whether Argo CD has looked at what was pushed last, in every environment and at its own settings.
func seen() error {
	head, err := inTree("git", "rev-parse", "origin/main")
	if err != nil {
		return err
	}

	head = strings.TrimSpace(head)
	for _, name := range append([]string{"wasm-rewrite"}, environments...) {
		if name != "wasm-rewrite" {
			name = "wasm-rewrite-" + name
		}

		app, err := bed.objects.Resource(applications).Namespace(argocd.Namespace).Get(bed.Context, name, metav1.GetOptions{})
		if err != nil {
			return err
		}

		sync, _, _ := unstructured.NestedMap(app.Object, "status", "sync")
		// Unknown: it looked and could not compare, as while the git server is down.
		looked := sync["status"] == "Unknown" || strings.Contains(fmt.Sprint(sync["revision"], sync["revisions"]), head)
		if _, asked := app.GetAnnotations()["argocd.argoproj.io/refresh"]; asked || !looked {
			return fmt.Errorf("%s has not seen %s yet: %v, %v", name, head, sync["revision"], sync["revisions"])
		}
	}

	return nil
}

// get asks an environment's gateway.
func get(environment, path string) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(bed.Context, http.MethodGet, bed.Gateway+path, nil)
	if err != nil {
		return nil, "", err
	}

	request.Host = environment + ".example.com"
	client := http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)

	return response, string(body), err
}

// rewrites is whether httpbin, which tells the URL that it was asked for under /anything, is asked for path in an
// environment when a client asks for received.
func rewrites(environment, received, path string) error {
	response, body, err := get(environment, received)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s in %s answers %s, want 200 from %s", received, environment, response.Status, path)
	}
	var echo struct{ URL string }
	if err := json.Unmarshal([]byte(body), &echo); err != nil {
		return fmt.Errorf("%s in %s: %w: %.200q", received, environment, err, body)
	}
	if !strings.HasSuffix(echo.URL, ".example.com"+path) {
		return fmt.Errorf("%s in %s arrives as %s, want %s", received, environment, echo.URL, path)
	}

	return nil
}

// unknown is whether a path is nobody's in an environment: no rule rewrites it, and httpbin does not know it.
func unknown(environment, path string) error {
	response, _, err := get(environment, path)
	if err == nil && response.StatusCode != http.StatusNotFound {
		err = fmt.Errorf("%s in %s answers %s, want 404", path, environment, response.Status)
	}
	return err
}

// eventually asks until a condition holds, and returns what it said last.
func eventually(limit time.Duration, condition func() error) error {
	return wait.Eventually(bed.Context, limit, condition)
}

// must ends the test on an error, and says what Argo CD says.
func must(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}

	options := k8s.NewKubectlOptions("", bed.Kubeconfig, argocd.Namespace)
	options.Logger = logger.Discard
	out, _ := k8s.RunKubectlAndGetOutputContextE(t, context.Background(), options, "get", "applications",
		"--output=custom-columns=NAME:.metadata.name,SYNC:.status.sync.status,REVISION:.status.sync.revisions,PHASE:.status.operationState.phase,MESSAGE:.status.operationState.message,CONDITIONS:.status.conditions")
	t.Fatalf("%v\n%s\nwebhooks: %v", err, out, bed.git.Failures())
}
