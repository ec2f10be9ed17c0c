package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// argo says where an environment's Application is.
type argo struct {
	cluster     clusterFlags
	namespace   string
	application string // of FROM; default wasm-rewrite-FROM
	unverified  bool   // it is not asked
}

// underWay is how long a sync that runs is waited for.
const underWay = 30 * time.Second

// served refuses an environment that Argo CD did not roll out as files of it
// stand here: its last sync must have succeeded, gates and all, with these very
// files, and the cluster must be as that sync left it.
func (a *argo) served(ctx context.Context, environment string, files []string) error {
	config, _, err := a.cluster.connect()
	if err != nil {
		return fmt.Errorf("%w; Argo CD has to say that %s runs what is copied, or --unverified", err, environment)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	name := a.application
	if name == "" {
		name = "wasm-rewrite-" + environment
	}
	applications := client.Resource(schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}).Namespace(a.namespace)
	var revision string
	for end := time.Now().Add(underWay); ; {
		one, cancel := context.WithTimeout(ctx, a.cluster.timeout)
		app, err := applications.Get(one, name, metav1.GetOptions{})
		cancel()
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("%s: there is no Application %s/%s; name the context of Argo CD's cluster with --context, or --unverified to promote without asking Argo CD", config.Host, a.namespace, name)
		}
		if err != nil {
			return fmt.Errorf("%s: Application %s/%s: %w; see that --context is of Argo CD's cluster, or --unverified to promote without asking Argo CD", config.Host, a.namespace, name, err)
		}
		var running bool
		if revision, running, err = rolledOut(app); err == nil {
			break
		} else if !running || !time.Now().Before(end) {
			return fmt.Errorf("%s is not promoted: Application %s/%s %w", environment, a.namespace, name, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	otherwise, err := changedSince(ctx, revision, files)
	if err != nil {
		return fmt.Errorf("Application %s/%s runs commit %s: %w", a.namespace, name, revision, err)
	}
	if otherwise != nil {
		return fmt.Errorf("%s is not promoted: it runs commit %s, where %s is otherwise than here; push it and wait until %[1]s runs it", environment, revision, strings.Join(otherwise, ", "))
	}
	return nil
}

// rolledOut gives the commit that an Application was rolled out with, and an
// error where it was not; running says that it may still be.
func rolledOut(app *unstructured.Unstructured) (revision string, running bool, err error) {
	text := func(fields ...string) string {
		s, _, _ := unstructured.NestedString(app.Object, append([]string{"status"}, fields...)...)
		return s
	}
	switch phase := text("operationState", "phase"); {
	case phase == "":
		return "", false, errors.New("was never synced")
	case phase != "Succeeded":
		tries, _, _ := unstructured.NestedInt64(app.Object, "status", "operationState", "retryCount")
		said := append([]string{text("operationState", "message")}, failures(app)...)
		return "", phase == "Running" && tries == 0, fmt.Errorf("has a last sync that is %s: %s", phase, strings.Join(said, "\n"))
	case text("sync", "status") != "Synced":
		return "", false, fmt.Errorf("is %s: the cluster is not what git says", text("sync", "status"))
	case text("health", "status") == "Degraded":
		return "", false, fmt.Errorf("is Degraded: %s", text("health", "message"))
	}
	// Of several sources, git is the last.
	revisions, _, _ := unstructured.NestedStringSlice(app.Object, "status", "operationState", "syncResult", "revisions")
	if len(revisions) > 0 {
		return revisions[len(revisions)-1], false, nil
	}
	return text("operationState", "syncResult", "revision"), false, nil
}

// failures are what the failed gates and objects of the last sync said.
func failures(app *unstructured.Unstructured) (said []string) {
	resources, _, _ := unstructured.NestedSlice(app.Object, "status", "operationState", "syncResult", "resources")
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		if phase := resource["hookPhase"]; phase == "Failed" || phase == "Error" {
			said = append(said, fmt.Sprintf("%v %v: %v", resource["kind"], resource["name"], resource["message"]))
		}
	}
	return said
}

// changedSince are those of the files and folders that are otherwise in the
// work tree than in a commit.
func changedSince(ctx context.Context, revision string, files []string) (changed []string, err error) {
	for _, args := range [][]string{
		{"diff", "--name-only", "--no-renames", "--relative", revision, "--"},
		{"ls-files", "--others", "--"},
	} {
		out, err := exec.CommandContext(ctx, "git", append(args, files...)...).Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return nil, fmt.Errorf("git %s: %s; git fetch brings a commit that is not here", args[0], strings.TrimSpace(string(failed.Stderr)))
		}
		if err != nil {
			return nil, err
		}
		changed = append(changed, strings.Fields(string(out))...)
	}
	return changed, nil
}
