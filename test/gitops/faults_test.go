package gitops_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/argocd"
)

// The application controller is killed while it syncs; the next one ends what that one began.
func TestArgoCDRestartedInTheMiddleOfASync(t *testing.T) {
	start(t)
	pushRule(t, "dev", "before-the-kill")
	must(t, eventually(settled, func() error { return synced("dev") }))
	for try := 1; ; try++ {
		name := fmt.Sprintf("killed-%d", try)
		must(t, write("environments/dev/rules/checkout.yaml", rule("before-the-kill", name)))
		changes, err := bed.objects.Resource(applications).Namespace(argocd.Namespace).Watch(bed.ctx, metav1.ListOptions{FieldSelector: "metadata.name=wasm-rewrite-dev"})
		must(t, err)
		must(t, pushNow("checkout: "+name))
		timeout, again := time.After(settled), time.After(5*time.Second)
	waiting:
		for {
			select {
			case change := <-changes.ResultChan():
				if app, ok := change.Object.(*unstructured.Unstructured); ok && syncing(app) {
					break waiting
				}
			case <-again: // as push does
				must(t, refresh("dev", "normal"))
			case <-timeout:
				t.Fatal("no sync began")
			}
		}
		must(t, bed.argo.KillController())
		changes.Stop()
		app, err := application("dev")
		must(t, err)
		middle := syncing(app)
		must(t, inForce("dev", "before-the-kill"))
		must(t, bed.argo.StartController(bed.ctx))
		must(t, eventually(settled, func() error { return inForce("dev", name) }))
		must(t, eventually(settled, func() error { return synced("dev") }))
		if middle {
			t.Logf("killed in the middle of sync %d", try)
			return
		}
		if try == 5 {
			t.Fatal("every sync had ended before the controller was killed")
		}
	}
}

// syncing is whether a sync is under way, asked for or begun.
func syncing(app *unstructured.Unstructured) bool {
	_, asked, _ := unstructured.NestedMap(app.Object, "operation")
	phase, _, _ := unstructured.NestedString(app.Object, "status", "operationState", "phase")
	return asked || phase == "Running"
}

// Without the git server the rules stay in force, and Argo CD says what it misses; with it back, the next push arrives.
func TestTheGitServerDownAndBack(t *testing.T) {
	start(t)
	pushRule(t, "dev", "before-the-outage")
	must(t, eventually(settled, func() error { return synced("dev") }))
	must(t, bed.git.Down())
	t.Cleanup(func() {
		if err := bed.git.Up(); err != nil {
			t.Error(err)
		}
	})
	// What the regular look of every few minutes does.
	must(t, refresh("dev", "hard"))
	must(t, eventually(settled, func() error {
		app, err := application("dev")
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(app.Object, "status", "conditions")
		for _, condition := range conditions {
			if condition.(map[string]any)["type"] == "ComparisonError" {
				return nil
			}
		}
		return fmt.Errorf("Argo CD does not say that it cannot compare: %v", conditions)
	}))
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := inForce("dev", "before-the-outage"); err != nil {
			t.Fatalf("while the git server is down: %v", err)
		}
	}
	must(t, bed.git.Up())
	took := pushRule(t, "dev", "after-the-outage")
	t.Logf("the first push after the outage took %s", took.Round(10*time.Millisecond))
	must(t, eventually(settled, func() error { return synced("dev") }))
}
