package gitops_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apitypes "k8s.io/apimachinery/pkg/types"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// The application controller ends while it syncs; the next one ends what that one began.
func TestArgoCDRestartedInTheMiddleOfASync(t *testing.T) {
	start(t)
	pushRule(t, "dev", "before-the-restart")
	must(t, eventually(settled, func() error { return synced("dev") }))
	goOn := holdWasmPlugins(t, "shop-dev")
	must(t, write("environments/dev/rules/checkout.yaml", rule("before-the-restart", "restarted")))
	must(t, push("checkout: restarted"))
	must(t, eventually(settled, func() error { return inTheMiddle("dev") }))
	must(t, bed.argo.StopController())
	must(t, inTheMiddle("dev"))
	goOn()
	must(t, inForce("dev", "before-the-restart"))
	must(t, bed.argo.StartController(bed.Context))
	must(t, eventually(settled, func() error { return inForce("dev", "restarted") }))
	must(t, eventually(settled, func() error { return synced("dev") }))
}

// holdWasmPlugins makes every write of a WasmPlugin in a namespace wait for a webhook that does not answer, until it is
// told to go on: a sync takes a few moments only, too few to hit.
func holdWasmPlugins(t *testing.T, namespace string) (goOn func()) {
	t.Helper()

	silent, err := net.Listen("tcp", net.JoinHostPort(bed.HostIP, "0"))
	must(t, err)

	name, url := "hold."+namespace, "https://"+silent.Addr().String()
	ignore, none, seconds := admission.Ignore, admission.SideEffectClassNone, int32(30)
	hooks := bed.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err = hooks.Create(bed.Context, &admission.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admission.ValidatingWebhook{{
			Name: name + ".test", ClientConfig: admission.WebhookClientConfig{URL: &url}, FailurePolicy: &ignore, SideEffects: &none,
			TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			Rules: []admission.RuleWithOperations{{
				Operations: []admission.OperationType{admission.OperationAll},
				Rule:       admission.Rule{APIGroups: []string{wasmPlugins.Group}, APIVersions: []string{"*"}, Resources: []string{wasmPlugins.Resource}},
			}},
		}},
	}, metav1.CreateOptions{})
	must(t, err)

	goOn = sync.OnceFunc(func() {
		err := hooks.Delete(bed.Context, name, metav1.DeleteOptions{})
		if err := errors.Join(err, silent.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(goOn)
	// The API server takes a moment to know its webhooks.
	must(t, eventually(settled, func() error {
		ctx, cancel := context.WithTimeout(bed.Context, time.Second)
		defer cancel()

		_, err := bed.objects.Resource(wasmPlugins).Namespace(namespace).Patch(ctx, "wasm-rewrite-checkout", apitypes.MergePatchType,
			[]byte(`{"metadata": {"annotations": {"held": "true"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return errors.New("a write goes through at once")
		}
		return nil
	}))

	return goOn
}

// inTheMiddle wants a sync under way.
func inTheMiddle(environment string) error {
	app, err := application(environment)
	if err != nil {
		return err
	}
	if phase, _, _ := unstructured.NestedString(app.Object, "status", "operationState", "phase"); phase != "Running" {
		return fmt.Errorf("%s: the phase of the sync is %q, want Running", environment, phase)
	}
	return nil
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

	err := wait.Consistently(bed.Context, 3*time.Second, func() error { return inForce("dev", "before-the-outage") })
	if err != nil {
		t.Fatalf("while the git server is down: %v", err)
	}
	must(t, bed.git.Up())
	took := pushRule(t, "dev", "after-the-outage")
	t.Logf("the first push after the outage took %s", took.Round(10*time.Millisecond))
	must(t, eventually(settled, func() error { return synced("dev") }))
}
