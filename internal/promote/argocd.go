package promote

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
	"k8s.io/client-go/rest"
)

// Argo is the Argo CD that rolls the environments out.
type Argo struct {
	Cluster     func() (*rest.Config, error) // how to reach it
	Timeout     time.Duration                // for each question
	Namespace   string
	Application string // of FROM; default wasm-rewrite-FROM
}

// underWay is how long a sync that runs is waited for.
const underWay = 30 * time.Second

// Served refuses an environment that Argo CD did not roll out as files of it are here: its last sync must have succeeded,
// including its gates, with exactly these files, and the cluster must be as that sync left it.
func (a *Argo) Served(ctx context.Context, environment string, files []string) error {
	config, err := a.Cluster()
	if err != nil {
		return fmt.Errorf("%w; Argo CD has to say that %s runs what is copied, or --unverified", err, environment)
	}

	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}

	name := a.Application
	if name == "" {
		name = "wasm-rewrite-" + environment
	}

	one := application{
		argo: a, environment: environment, name: name, host: config.Host,
		client: client.Resource(schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}).Namespace(a.Namespace),
	}
	revision, err := one.revision(ctx)
	if err != nil {
		return err
	}

	otherwise, err := changedSince(ctx, revision, files)
	if err != nil {
		return fmt.Errorf("Application %s/%s runs commit %s: %w", a.Namespace, name, revision, err)
	}
	if otherwise != nil {
		return fmt.Errorf("%s is not promoted: it runs commit %s, where %s differs from what is here; push it and wait until %[1]s runs it. "+
			"Where it is pushed, Argo CD may not have looked yet: `argocd app get --refresh %[4]s` has it look now",
			environment, revision, strings.Join(otherwise, ", "), name)
	}

	return nil
}

// application is the Application of an environment.
type application struct {
	argo                    *Argo
	environment, name, host string
	client                  dynamic.ResourceInterface
}

// revision is the commit that the Application was rolled out with; a sync that runs is waited for.
func (a *application) revision(ctx context.Context) (string, error) {
	for end := time.Now().Add(underWay); ; {
		app, err := a.get(ctx)
		if err != nil {
			return "", err
		}

		revision, running, err := rolledOut(app)
		if err == nil {
			return revision, nil
		}
		if !running || !time.Now().Before(end) {
			return "", fmt.Errorf("%s is not promoted: Application %s/%s %w", a.environment, a.argo.Namespace, a.name, err)
		}

		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (a *application) get(ctx context.Context) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, a.argo.Timeout)
	defer cancel()

	app, err := a.client.Get(ctx, a.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%s: there is no Application %s/%s; name the context of Argo CD's cluster with --context, or --unverified to "+
			"promote without asking Argo CD",
			a.host, a.argo.Namespace, a.name)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return nil, fmt.Errorf("%s: Application %s/%s: %w; one has to be allowed to get applications.argoproj.io in namespace %[2]s of Argo CD's cluster: "+
			"see that --context is of it, ask who runs it, or --unverified to promote without asking Argo CD", a.host, a.argo.Namespace, a.name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: Application %s/%s: %w; see that --context is of Argo CD's cluster, or --unverified to promote without asking Argo CD",
			a.host, a.argo.Namespace, a.name, err)
	}

	return app, nil
}

// rolledOut gives the commit that an Application was rolled out with, and an error where it was not; running says that it
// may still be.
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
	case text("sync", "status") == "Unknown":
		return "", false, fmt.Errorf("is Unknown, since Argo CD cannot compare the cluster with git: %s; see that the registry and the git server are up, "+
			"and that Argo CD may read both", strings.Join(complaints(app), "\n"))
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

// complaints are what Argo CD says is wrong with an Application.
func complaints(app *unstructured.Unstructured) (said []string) {
	conditions, _, _ := unstructured.NestedSlice(app.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		if message, ok := condition["message"].(string); ok {
			said = append(said, message)
		}
	}
	if said == nil {
		said = []string{"it does not say why"}
	}

	return said
}

// changedSince are those of the files and folders that differ in the work tree from a commit.
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
