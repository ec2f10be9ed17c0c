package gitops_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apitypes "k8s.io/apimachinery/pkg/types"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/argocd"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// rule is a rules file of checkout with one more pattern, as a team writes it: name stands for the rule, and under
// /<name> clients reach /anything/<name>-is-in-force.
func rule(names ...string) string {
	var patterns, tests strings.Builder
	for _, name := range names {
		fmt.Fprintf(&patterns, `
    - name: %s
      match: {path: {prefix: /%[1]s}}
      rewrite: {path: /anything/%[1]s-is-in-force}`, name)
		fmt.Fprintf(&tests, `
    - name: %s is rewritten
      request: {path: /%[1]s/x}
      expect: {pattern: %[1]s, path: /anything/%[1]s-is-in-force/x}`, name)
	}

	return "workloads:\n  checkout:\n    patterns:" + patterns.String() + "\n    tests:" + tests.String() + "\n"
}

// inForce is whether the rule of that name answers in an environment.
func inForce(environment, name string) error {
	return rewrites(environment, "/"+name+"/x", "/anything/"+name+"-is-in-force/x")
}

// pushRule pushes rules of checkout for an environment and waits until the last of them answers there.
func pushRule(t *testing.T, environment string, names ...string) time.Duration {
	t.Helper()
	must(t, write("environments/"+environment+"/rules/checkout.yaml", rule(names...)))
	must(t, eventually(settled, seen))

	began := time.Now()
	must(t, push("checkout: "+strings.Join(names, ", ")+" in "+environment))
	must(t, eventually(settled, func() error { return inForce(environment, names[len(names)-1]) }))
	return time.Since(began)
}

// A push is what brings a rule to dev, and to dev alone.
func TestAPushBringsARuleToDevAlone(t *testing.T) {
	start(t)
	must(t, unknown("dev", "/pushed/x"))
	took := pushRule(t, "dev", "pushed")
	t.Logf("from git push to the first rewritten request in dev: %s", took.Round(10*time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("it took %s, want less than 10s", took)
	}
	must(t, eventually(settled, func() error { return synced("dev") }))

	for _, environment := range []string{"staging", "production"} {
		must(t, unknown(environment, "/pushed/x"))
	}
}

// A rule goes from environment to environment by promotion, and back by git revert.
func TestPromotionStepByStepAndBack(t *testing.T) {
	start(t)
	pushRule(t, "dev", "stepwise")

	before, after := "dev", ""
	for _, after = range []string{"staging", "production"} {
		promote(t, before, after, "WORKLOAD=checkout")
		said, err := inTree("make", "pending", "ENV="+after, "--old-file=build/bin/wasm-rewrite")
		must(t, err)
		if !strings.Contains(said, "WasmPlugin shop-"+after+"/wasm-rewrite-checkout\n") || !strings.Contains(said, "new      stepwise\n") {
			t.Errorf("make pending ENV=%s says\n%s\nwant the new pattern stepwise in WasmPlugin wasm-rewrite-checkout", after, said)
		}
		must(t, unknown(after, "/stepwise/x"))
		must(t, push("checkout: stepwise in "+after))
		must(t, eventually(settled, func() error { return inForce(after, "stepwise") }))
		must(t, eventually(settled, func() error { return synced(after) }))
		if said, err = inTree("make", "pending", "ENV="+after, "--old-file=build/bin/wasm-rewrite"); err != nil || !strings.HasPrefix(said, "nothing: ") {
			t.Errorf("make pending ENV=%s after the push says\n%s%v, want nothing", after, said, err)
		}
		if before == "dev" {
			must(t, unknown("production", "/stepwise/x"))
		}

		before = after
	}
	if said, err := inTree("make", "promote", "FROM=dev", "TO=production", "--old-file=build/bin/wasm-rewrite"); err == nil {
		t.Errorf("make promote skips a step: %s", said)
	}

	_, err := inTree("git", "revert", "--no-commit", "HEAD")
	must(t, err)
	must(t, push("checkout: back"))
	must(t, eventually(settled, func() error { return unknown("production", "/stepwise/x") }))
	must(t, inForce("staging", "stepwise"))
}

// promote copies a step with the command of ordinary days.
func promote(t *testing.T, from, to, part string) {
	t.Helper()
	// What answers may be some moments ahead of what Argo CD says, which is what counts.
	must(t, eventually(settled, func() error { return synced(from) }))

	said, err := inTree("make", "promote", "FROM="+from, "TO="+to, part, "--old-file=build/bin/wasm-rewrite")
	must(t, err)
	if !strings.Contains(said, "copied to environments/"+to) {
		t.Fatalf("make promote says\n%s", said)
	}
}

// The chart comes from the registry by its version: an edit of charts/ reaches nobody, a release of it dev alone, and
// production with its promotion.
func TestAChartEditReachesNobodyBeforeItIsPromoted(t *testing.T) {
	start(t)
	const label = "edited-chart"
	labelled := func(environment string) error {
		plugin, err := plugin(environment, "checkout")
		if err == nil && plugin.GetLabels()[label] == "" {
			err = fmt.Errorf("%s: no label %s: %v", environment, label, plugin.GetLabels())
		}
		return err
	}
	edit(t, "charts/wasm-rewrite/values.yaml", "commonLabels: {}", "commonLabels: {"+label+": yes-it-is}")
	must(t, push("chart: a label"))
	pushRule(t, "dev", "after-the-chart-edit")
	if labelled("dev") == nil {
		t.Error("an edit of charts/ on main reached dev without a release of the chart")
	}

	must(t, pushChart("charts/wasm-rewrite", "0.2.0"))
	edit(t, "environments/dev/release.yaml", "version: "+chartVersion, "version: 0.2.0")
	must(t, push("release 0.2.0 to dev"))
	must(t, eventually(settled, func() error { return labelled("dev") }))

	before := "dev"
	for _, after := range []string{"staging", "production"} {
		if labelled(after) == nil {
			t.Errorf("the release reached %s before its promotion", after)
		}
		promote(t, before, after, "RELEASE=1")
		must(t, push("release 0.2.0 to "+after))
		must(t, eventually(settled, func() error { return labelled(after) }))

		before = after
	}
}

// edit replaces a text of a file of the clone, which must be there.
func edit(t *testing.T, name, from, to string) {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(bed.tree, name))
	must(t, err)
	if strings.Count(string(text), from) != 1 {
		t.Fatalf("%s does not hold %q once:\n%s", name, from, text)
	}
	must(t, write(name, strings.Replace(string(text), from, to, 1)))
}

func plugin(environment, workload string) (*unstructured.Unstructured, error) {
	return bed.objects.Resource(wasmPlugins).Namespace("shop-"+environment).Get(bed.Context, "wasm-rewrite-"+workload, metav1.GetOptions{})
}

// What a hand changed is undone. What a hand added stays, as Kubernetes' three-way merge keeps what nobody asked
// for, and Argo CD shows no difference; make pending does.
func TestAHandEditIsHealed(t *testing.T) {
	start(t)
	pushRule(t, "dev", "healed")
	must(t, eventually(settled, func() error { return synced("dev") }))

	byHand := func(patch string) {
		t.Helper()

		_, err := bed.objects.Resource(wasmPlugins).Namespace("shop-dev").Patch(bed.Context, "wasm-rewrite-checkout", apitypes.MergePatchType, []byte(patch),
			metav1.PatchOptions{})
		must(t, err)
	}
	byHand(`{"spec": {"pluginConfig": {"patterns": []}}}`)
	must(t, eventually(settled, func() error {
		edited, err := plugin("dev", "checkout")
		if err != nil {
			return err
		}
		if patterns, _, _ := unstructured.NestedSlice(edited.Object, "spec", "pluginConfig", "patterns"); len(patterns) != 1 {
			return fmt.Errorf("the hand's edit is still there: %v", edited.Object["spec"])
		}
		return nil
	}))
	must(t, eventually(settled, func() error { return inForce("dev", "healed") }))

	byHand(`{"spec": {"pluginConfig": {"headers": {"response": {"set": {"added-by": "hand"}}}}}}`)

	said, err := inTree("make", "pending", "ENV=dev", "--old-file=build/bin/wasm-rewrite")
	must(t, err)
	if want := `changed  headers {"response":{"set":{"added-by":"hand"}}} → none`; !strings.Contains(said, want) {
		t.Errorf("make pending ENV=dev says\n%s\nwant %s", said, want)
	}
	byHand(`{"spec": {"pluginConfig": {"headers": null}}}`)
}

// refresh has Argo CD look at an environment at once, as it does every few minutes.
func refresh(environment, kind string) error {
	_, err := bed.objects.Resource(applications).Namespace(argocd.Namespace).Patch(bed.Context, "wasm-rewrite-"+environment, apitypes.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "`+kind+`"}}}`), metav1.PatchOptions{})
	return err
}

const searchRules = `workloads:
  search:
    patterns:
    - name: find
      match: {path: {prefix: /find}}
      rewrite: {path: /search}
    tests:
    - name: find is search
      request: {path: /find/shoes}
      expect: {pattern: find, path: /search/shoes}
`

// A workload comes with its rules and its entry in place.yaml, and goes with them.
func TestAWorkloadIsAddedAndPruned(t *testing.T) {
	start(t)
	pushRule(t, "dev", "beside-search")

	place, err := os.ReadFile(filepath.Join(bed.tree, "environments/dev/place.yaml"))
	must(t, err)
	must(t, write("environments/dev/place.yaml", string(place)+"  search:\n    selector: {app: search}\n"))
	must(t, write("environments/dev/rules/search.yaml", searchRules))
	must(t, push("search: a workload"))
	must(t, eventually(settled, func() error { _, err := plugin("dev", "search"); return err }))

	must(t, write("environments/dev/place.yaml", string(place)))
	must(t, write("environments/dev/rules/search.yaml", ""))
	must(t, push("search: gone"))
	must(t, eventually(settled, func() error {
		if _, err := plugin("dev", "search"); err == nil {
			return errors.New("WasmPlugin wasm-rewrite-search is still there")
		}
		return nil
	}))
	must(t, inForce("dev", "beside-search"))
}

// An environment is a folder and a line in the project; without its folder it is left as it is.
func TestAnEnvironmentIsAddedAndLeft(t *testing.T) {
	start(t)
	must(t, apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop-qa}}"))

	_, err := inTree("cp", "-r", "environments/dev", "environments/qa")
	must(t, err)
	edit(t, "environments/qa/place.yaml", "namespace: shop-dev", "namespace: shop-qa\n  promotedFrom: dev")
	must(t, push("qa: not allowed yet"))
	must(t, eventually(settled, func() error {
		set, err := bed.objects.Resource(applicationSets).Namespace(argocd.Namespace).Get(bed.Context, "wasm-rewrite", metav1.GetOptions{})
		if err != nil {
			return err
		}

		conditions, _, _ := unstructured.NestedSlice(set.Object, "status", "conditions")
		if text := fmt.Sprint(conditions); !strings.Contains(text, "wasm-rewrite-qa") {
			return fmt.Errorf("Argo CD does not refuse an environment without a project of its own: %s", text)
		}
		return nil
	}))
	if _, err := application("qa"); err == nil {
		t.Error("there is an Application without a project that allows it")
	}

	must(t, addProject("qa"))
	must(t, push("qa: allowed"))
	must(t, eventually(settled, func() error {
		_, err := project("qa")
		return err
	}))
	// Left alone, the ApplicationSet looks again three minutes after it refused.
	_, err = bed.objects.Resource(applicationSets).Namespace(argocd.Namespace).Patch(bed.Context, "wasm-rewrite", apitypes.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"argocd.argoproj.io/application-set-refresh": "true"}}}`), metav1.PatchOptions{})
	must(t, err)
	must(t, eventually(settled, func() error { _, err := plugin("qa", "checkout"); return err }))

	must(t, os.RemoveAll(filepath.Join(bed.tree, "environments/qa")))
	must(t, push("qa: left"))
	must(t, eventually(settled, func() error {
		if _, err := application("qa"); err == nil {
			return errors.New("Application wasm-rewrite-qa is still there")
		}
		return nil
	}))
	if _, err := plugin("qa", "checkout"); err != nil {
		t.Errorf("a removed folder took the rules away: %v", err)
	}
	must(t, kubectl("delete", "namespace", "shop-qa", "--wait=false"))
}

// Outside its sync window production stays as it is, and follows when the window opens.
func TestProductionWaitsForItsWindow(t *testing.T) {
	start(t)
	pushRule(t, "production", "before-the-window")
	// An hour that begins half a day from now.
	closed := fmt.Sprintf("schedule: 0 %d * * *\n    duration: 1h", (time.Now().UTC().Hour()+12)%24)
	edit(t, "argocd/project.yaml", alwaysOpen, closed)
	must(t, push("production: closed"))
	must(t, eventually(settled, func() error { return windowIs("1h") }))

	must(t, write("environments/production/rules/checkout.yaml", rule("before-the-window", "in-the-window")))
	must(t, write("environments/staging/rules/checkout.yaml", rule("before-the-window", "in-the-window")))
	must(t, push("checkout: in-the-window"))
	must(t, eventually(settled, func() error { return inForce("staging", "in-the-window") }))
	must(t, eventually(settled, func() error {
		app, err := application("production")
		if err != nil {
			return err
		}
		if state, _, _ := unstructured.NestedString(app.Object, "status", "sync", "status"); state != "OutOfSync" {
			return fmt.Errorf("production is %s, want OutOfSync", state)
		}
		return nil
	}))

	err := wait.Consistently(bed.Context, 5*time.Second, func() error { return unknown("production", "/in-the-window/x") })
	if err != nil {
		t.Fatalf("outside the window: %v", err)
	}

	edit(t, "argocd/project.yaml", closed, alwaysOpen)
	must(t, push("production: open"))
	must(t, eventually(settled, func() error { return windowIs("24h") }))
	must(t, refresh("production", "normal"))
	must(t, eventually(settled, func() error { return inForce("production", "in-the-window") }))
}

// windowIs is whether the project in the cluster has a window of that length.
func windowIs(duration string) error {
	found, err := project("production")
	if err != nil {
		return err
	}

	windows, _, _ := unstructured.NestedSlice(found.Object, "spec", "syncWindows")
	if len(windows) != 1 || windows[0].(map[string]any)["duration"] != duration {
		return fmt.Errorf("the project's windows are %v, want one of %s", windows, duration)
	}
	return nil
}

func project(environment string) (*unstructured.Unstructured, error) {
	return bed.objects.Resource(applications.GroupVersion().WithResource("appprojects")).Namespace(argocd.Namespace).Get(bed.Context,
		"wasm-rewrite-"+environment, metav1.GetOptions{})
}

// addProject gives an environment a project like dev's.
func addProject(environment string) error {
	file := filepath.Join(bed.tree, "argocd/project.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}

	dev, _, _ := strings.Cut(string(text), "\n---\n")
	own := strings.NewReplacer("wasm-rewrite-dev", "wasm-rewrite-"+environment, "shop-dev", "shop-"+environment).Replace(dev)
	return os.WriteFile(file, append(text, []byte("---\n"+own+"\n")...), 0o600)
}
