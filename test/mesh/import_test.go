package mesh_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// routeSeeds are those of which a difference came once. They stay.
var routeSeeds = []uint64{
	1, 3, 12033386635353807334, 15623091886140484724, 15902799205909178868, 17065954560588976230, 6588405272831621054, 7230238557802014600,
	12982956844585643025, 11457525876530137238,
	12179221346017833750, 17238167651233800692, 17000612652777191122, 8789511835183857527, 7224757389672918639, 6233831395646078173, 18214488309271003995,
	10138159456299629710, 444779847195050346, 4026803807595326522, 16542807178787782230, 6787621486099863837,
}

// importSeed picks the other objects; go test ./test/mesh -run Istiods -import-seed 7 tries other ones.
var importSeed = flag.Uint64("import-seed", 1, "seed of the generated VirtualServices and HTTPRoutes of which no difference is known")

// Two gateways have the same generated VirtualServices and HTTPRoutes. One keeps them; the other moves in, by the steps
// that import prints. After each step a request is answered as before: by the same backend, which got the same path, host
// and headers, or by the same redirect.
func TestImportedRulesDoAsIstiodsRoutesAfterEachStepOfMovingIn(t *testing.T) {
	t.Parallel()
	const (
		sets     = 130 // of objects that share hosts
		requests = 10  // a host
	)

	seeds := slices.Clone(routeSeeds)
	for more := rand.New(rand.NewPCG(*importSeed, 3)); len(seeds) < sets; {
		seeds = append(seeds, more.Uint64())
	}

	// Both gateways, with everything as it was.
	theirs, ours := routedSpace(t, nil, seeds), routedSpace(t, map[string]string{"istio-injection": "enabled"}, seeds)

	asked := requestsTo(ours.sets, requests)
	for _, side := range []*routed{theirs, ours} {
		side.create()
	}

	for _, side := range []*routed{theirs, ours} {
		side.serves(0)
	}

	want := theirs.answers(asked)
	checkVariety(t, want)
	ours.wantAnswers(stage{says: "before anything is installed"}, asked, want)

	// With --moving, both the old rewrites and the rules are in force.
	moving, _ := ours.imported("--moving")
	r := ours.rules(ours.image(), moving)
	ours.inForce()
	ours.wantAnswers(stage{says: "with the rules of --moving and the old rewrites", moving: true, old: true}, asked, want)

	// Then the old rewrites go, as the report names them.
	final, report := ours.imported()
	ours.takeOut(report)
	ours.serves(1)
	ours.wantAnswers(stage{says: "with the rules of --moving alone", moving: true}, asked, want)

	// What comes last knows nothing of the move.
	r.upgrade(final)
	ours.inForce()
	ours.wantAnswers(stage{says: "with the rules alone"}, asked, want)
}

// routed is a namespace with a gateway of its own, which takes VirtualServices on one port and HTTPRoutes on another.
type routed struct {
	*space
	gateway string
	sets    []routeSet
	at      map[string]string // the address for each kind
}

// routedSpace makes the namespace, its gateway and its workloads. The gateway is called as the namespace: one of Istio's
// own kind takes the Pods with its label in every namespace.
func routedSpace(t *testing.T, labels map[string]string, seeds []uint64) *routed {
	t.Helper()
	side := &routed{space: namespace(t, labels), at: map[string]string{}}

	side.gateway = side.name
	for i, seed := range seeds {
		side.sets = append(side.sets, routes(seed, i, side.gateway))
	}

	annotations := ""
	if bed.Preload {
		side.run("apply", "--filename", "../../docs/preload.yaml")

		annotations = "sidecar.istio.io/bootstrapOverride: wasm-preload"
	}

	echo := side.echo()

	manifest := fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: %[1]s, annotations: {networking.istio.io/service-type: NodePort}}
spec:
  gatewayClassName: istio
  infrastructure: {annotations: {%[2]s}}
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: %[1]s}
spec:
  selector: {gateway.networking.k8s.io/gateway-name: %[1]s}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s-classic}
spec: {type: NodePort, selector: {gateway.networking.k8s.io/gateway-name: %[1]s}, ports: [{name: http, port: 8080}]}
`, side.gateway, annotations)
	for _, name := range importedServices {
		manifest += fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {%[3]s}}
    spec: {containers: [{name: echo, image: %[2]q, env: [{name: NAME, value: %[1]s}], ports: [{containerPort: 8080}]}]}
`, name, echo, annotations)
	}
	side.apply(manifest)

	return side
}

// echo pushes the workload's image.
func (s *space) echo() string {
	s.Helper()
	made, err := image.Make(image.Files{"/echo": made.File(s.T, "build/bin/echo")}, "", "/echo")
	if err != nil {
		s.Fatal(err)
	}

	reference := s.reference(":echo")
	if err := remote.Write(reference, made); err != nil {
		s.Fatal(err)
	}

	return reference.String()
}

// create makes the objects, once all that they name is there.
func (r *routed) create() {
	r.Helper()

	for _, name := range append([]string{r.gateway + "-istio"}, importedServices...) {
		r.rollout(name)
	}

	var all []document
	for _, set := range r.sets {
		all = append(all, set.objects...)
	}
	r.run("create", "--filename", r.documents(append(all, r.generation(0)...)))

	node, err := url.Parse(bed.Gateway)
	if err != nil {
		r.Fatal(err)
	}

	for kind, name := range map[string]string{"HTTPRoute": r.gateway + "-istio", "VirtualService": r.gateway + "-classic"} {
		for _, port := range k8s.GetServiceContext(r, r.Context(), r.kubectl, name).Spec.Ports {
			if port.Port == 80 || port.Port == 8080 {
				r.at[kind] = net.JoinHostPort(node.Hostname(), strconv.Itoa(int(port.NodePort)))
			}
		}
	}
}

// documents writes objects into a file.
func (r *routed) documents(objects []document) string {
	r.Helper()

	var b strings.Builder
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			r.Fatal(err)
		}
		fmt.Fprintf(&b, "---\n%s", text)
	}

	return r.file(b.String())
}

const generationName = "zz-generation"

// generation are the last objects of a change, which say on each port that it is there.
func (r *routed) generation(n int) []document {
	to := fmt.Sprintf("/generation-%d", n)

	return []document{
		{
			"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": document{"name": generationName},
			"spec": document{"hosts": []any{"generation.example.com"}, "gateways": []any{r.gateway}, "http": []any{document{"redirect": document{"uri": to}}}},
		},
		{
			"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": document{"name": generationName},
			"spec": document{"parentRefs": []any{document{"name": r.gateway}}, "hostnames": []any{"generation.example.com"}, "rules": []any{document{
				"filters": []any{document{"type": "RequestRedirect", "requestRedirect": document{"path": document{"type": "ReplaceFullPath", "replaceFullPath": to}}}},
			}}},
		},
	}
}

// serves waits until a generation is in force on both ports.
func (r *routed) serves(n int) {
	r.Helper()
	r.within(2*time.Minute, func() error {
		for kind := range r.at {
			answer := r.answers([]routeRequest{{kind: kind, host: "generation.example.com", target: "/", method: "GET"}})[0]
			if want := fmt.Sprintf("/generation-%d", n); !strings.HasSuffix(answer.Location, want) {
				return fmt.Errorf("%s: %v, want a redirect to %s", kind, answer, want)
			}
		}
		return nil
	})
}

// importReport is what `import -o json` prints, as far as it counts here.
type importReport struct {
	Values  map[string]any
	Objects []struct {
		Object   string
		Findings []struct{ Kind, Path, Reason string }
		TakeOut  []string
	}
}

// imported are the values that import makes of what the cluster has.
func (r *routed) imported(flags ...string) (string, importReport) {
	r.Helper()
	objects, err := exec.CommandContext(r.Context(), "kubectl",
		r.args("get", "virtualservices,httproutes,gateways.networking.istio.io,gateways.gateway.networking.k8s.io,services", "--output=json")...).Output()
	if err != nil {
		r.Fatal(err)
	}
	var list struct {
		Kind  string     `json:"kind"`
		Items []document `json:"items"`
	}
	if err := json.Unmarshal(objects, &list); err != nil {
		r.Fatal(err)
	}
	// What tells generations apart is the test's own.
	list.Items = slices.DeleteFunc(list.Items, func(o document) bool { return o["metadata"].(document)["name"] == generationName })
	code, out := r.tool(append([]string{"import", r.file(text(list)), "--partial", "-o", "json"}, flags...)...)
	var report importReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		r.Fatalf("import: exit code %d, %v\n%s", code, err, out)
	}

	values, err := yaml.Marshal(report.Values)
	if err != nil {
		r.Fatal(err)
	}

	return string(values), report
}

// takeOut takes the fields out of the objects that the report names. Of a redirect and a direct response, which may stay,
// something is left that would show: an answer 500.
func (r *routed) takeOut(report importReport) {
	r.Helper()

	out, partly := map[string][]string{}, map[string]bool{}
	for _, o := range report.Objects {
		name := o.Object[strings.LastIndexByte(o.Object, '/')+1:]

		out[name] = o.TakeOut
		for _, f := range o.Findings {
			partly[name] = partly[name] || f.Kind == "left out"
		}
	}

	var changed []document
	for i := range r.sets {
		for _, o := range r.sets[i].objects {
			name := o["metadata"].(document)["name"].(string)

			stripped := copied(r.T, o)
			for _, path := range out[name] {
				if !drop(stripped, path) {
					r.Errorf("seed %d: %s %s is to lose %s, which it does not have\n%s", r.sets[i].seed, o["kind"], name, path, text(o))
				}
			}
			compact(stripped)
			if !partly[name] {
				blank(stripped)
			}
			if text(stripped) != text(o) {
				changed = append(changed, stripped)
			}
		}
	}
	r.Logf("of %d objects %d are changed", len(report.Objects), len(changed))
	r.run("apply", "--filename", r.documents(append(changed, r.generation(1)...)))
}

func copied(t *testing.T, o document) (same document) {
	t.Helper()

	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &same)
	}
	if err != nil {
		t.Fatal(err)
	}
	return same
}

func text(o any) string {
	text, err := yaml.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var step = regexp.MustCompile(`([^.\[\]]+)|\[(\d+)\]`)

// drop takes the value at a path out of an object; of a list it leaves a gap, so that the other paths stay true.
func drop(o document, path string) bool {
	var at any = o

	steps := step.FindAllStringSubmatch(path, -1)
	for i, one := range steps {
		last := i == len(steps)-1
		if one[1] != "" {
			of, ok := at.(document)
			if !ok || of[one[1]] == nil {
				return false
			}

			at = of[one[1]]
			if last {
				delete(of, one[1])
			}
			continue
		}

		n, _ := strconv.Atoi(one[2])
		list, ok := at.([]any)
		if !ok || n >= len(list) || list[n] == nil {
			return false
		}

		at = list[n]
		if last {
			list[n] = nil
		}
	}

	return true
}

// compact closes the gaps in all lists.
func compact(v any) {
	of, ok := v.(document)
	if !ok {
		return
	}

	for key, value := range of {
		list, ok := value.([]any)
		if !ok {
			compact(value)
			continue
		}

		list = slices.DeleteFunc(list, func(one any) bool { return one == nil })

		of[key] = list
		for _, one := range list {
			compact(one)
		}
	}
}

// blank replaces what answers: a VirtualService by 500; an HTTPRoute answers so without a backend.
func blank(o document) {
	spec := o["spec"].(document)
	for _, key := range []string{"http", "rules"} {
		list, _ := spec[key].([]any)
		for _, one := range list {
			route := one.(document)
			if route["redirect"] != nil || route["directResponse"] != nil {
				delete(route, "redirect")
				route["directResponse"] = document{"status": 500, "body": document{"string": "left in the VirtualService"}}
			}

			filters, _ := route["filters"].([]any)
			if slices.ContainsFunc(filters, func(f any) bool { return f.(document)["type"] == "RequestRedirect" }) {
				delete(route, "filters")
			}
		}
	}
}

// stage is what is in force when the same requests are sent again.
type stage struct {
	says        string
	moving, old bool // the rules of --moving, the old rewrites
}

// wantAnswers asks until every request is answered as wanted, and shows those that never are.
func (r *routed) wantAnswers(when stage, asked []routeRequest, want []routeAnswer) {
	r.Helper()

	began := time.Now()

	again := map[int]string{}
	for i := range asked {
		again[i] = ""
	}

	first := 0
	for round := 0; len(again) > 0 && (round < 2 || time.Since(began) < settled); round++ {
		left := slices.Sorted(maps.Keys(again))

		some := make([]routeRequest, len(left))
		for j, i := range left {
			some[j] = asked[i]
		}

		for j, got := range r.answers(some) {
			i := left[j]
			if again[i] = differs(when, asked[i], got, want[i]); again[i] == "" {
				delete(again, i)
			}
		}
		if round == 0 {
			first = len(again)
		}
	}
	r.Logf("%s: %d requests in %s, %d of them asked again", when.says, len(asked), time.Since(began).Round(10*time.Millisecond), first)
	r.showDifferences(when.says, asked, again)
}

// showDifferences shows the first difference of each set, with its objects.
func (r *routed) showDifferences(when string, asked []routeRequest, differences map[int]string) {
	r.Helper()

	shown := map[int]bool{}
	for _, i := range slices.Sorted(maps.Keys(differences)) {
		q := asked[i]
		if !shown[q.set] && len(shown) < 20 {
			r.Errorf("%s: seed %d: %v\n%s\n%s", when, r.sets[q.set].seed, q, differences[i], text(r.sets[q.set].objects))
		}

		shown[q.set] = true
	}
	if len(shown) > 0 {
		r.Errorf("%s: %d differences, in %d of %d sets", when, len(differences), len(shown), len(r.sets))
	}
}
