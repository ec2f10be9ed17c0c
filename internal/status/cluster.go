package status

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

const (
	// The containers of Istio's proxies, and of Envoy Gateway's with their ports.
	container        = "istio-proxy"
	gatewayContainer = "envoy"
	gatewayAdminPort = 19000
	gatewayStatsPort = 19001
	// atOnce is how many proxies are asked at the same time.
	atOnce = 8
	// A dump of all listeners of a gateway has some megabytes.
	maxAnswer int64 = 256 << 20
	maxLog          = 1 << 20
	// before is how long before a change the fetch that it needs may begin.
	before = 2 * time.Minute
)

// Options say what to ask about.
type Options struct {
	Namespace string // "" is every one
	// Only are releases and workloads; none is all.
	Only []string
	// RootNamespace is Istio's: objects in it are of Pods everywhere.
	RootNamespace string
	// AdminPort is that of Istio's proxies; Envoy Gateway's have their own.
	AdminPort int
	// StatsPort is the port with metrics for Prometheus of Istio's proxies. Where
	// it is not 0, all proxies are asked there by their Pods' addresses, for the
	// revision alone, and nothing but where they are is asked of the API server.
	StatsPort int
	// Counts asks for the counters, too.
	Counts bool
	// Timeout is for the API server, and for each proxy.
	Timeout time.Duration
}

// Cluster is a cluster that is asked.
type Cluster struct {
	config  *rest.Config
	objects dynamic.Interface
	core    corev1client.CoreV1Interface
	options Options
}

// Connect makes a Cluster; nothing is asked yet.
func Connect(config *rest.Config, options Options) (*Cluster, error) {
	// What fails is in the answers: the library's own lines say it a second time.
	klog.SetLogger(logr.Discard())

	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Host, err)
	}

	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Host, err)
	}

	return &Cluster{config: config, objects: objects, core: core, options: options}, nil
}

// List gives the chart's objects in the namespace. Its errors name the API server.
func (c *Cluster) List(ctx context.Context) ([]unstructured.Unstructured, error) {
	objects, err := c.list(ctx, input.Deliveries, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=wasm-rewrite"},
		"list wasmplugins, trafficextensions, envoyfilters and envoyextensionpolicies")
	if err == nil && objects == nil {
		err = errors.New("the cluster knows no WasmPlugin, no TrafficExtension, no EnvoyFilter and no EnvoyExtensionPolicy: it has no Istio and no " +
			"Envoy Gateway; see that the context is the one you mean")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.config.Host, err)
	}
	return objects, nil
}

// routeKinds are what chooses a route at a gateway.
var routeKinds = []input.Resource{
	{Group: "networking.istio.io", Version: "v1", Plural: "virtualservices", Kind: "VirtualService"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Plural: "httproutes", Kind: "HTTPRoute"},
	{Group: "gateway.envoyproxy.io", Version: "v1alpha1", Plural: "securitypolicies", Kind: "SecurityPolicy"},
}

// Routes gives the VirtualServices and HTTPRoutes of the namespace, or of all
// where Options has none, and the SecurityPolicies of Envoy Gateway. Its errors name the API server.
func (c *Cluster) Routes(ctx context.Context) ([]unstructured.Unstructured, error) {
	objects, err := c.list(ctx, routeKinds, metav1.ListOptions{}, "list virtualservices, httproutes and securitypolicies")
	if err == nil && objects == nil {
		err = errors.New("the cluster knows no VirtualService and no HTTPRoute; see that the context is the one you mean")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.config.Host, err)
	}
	return objects, nil
}

func resource(of input.Resource) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: of.Group, Version: of.Version, Resource: of.Plural}
}

// list gives objects of some kinds; nil where the cluster knows none of these.
func (c *Cluster) list(ctx context.Context, of []input.Resource, by metav1.ListOptions, what string) (objects []unstructured.Unstructured, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()

	for _, k := range of {
		list, err := c.objects.Resource(resource(k)).Namespace(c.options.Namespace).List(ctx, by)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			where := "all namespaces"
			if c.options.Namespace != "" {
				where = "namespace " + c.options.Namespace
			}
			return nil, fmt.Errorf("%s of %s: %w", k.Kind, where, explain(ctx, err, what))
		}

		// Known, though there may be none.
		if objects == nil {
			objects = []unstructured.Unstructured{}
		}

		for i := range list.Items {
			list.Items[i].SetKind(k.Kind)
		}

		objects = append(objects, list.Items...)
	}

	return objects, nil
}

// Objects reads the chart's objects in the namespace, all of them and those
// that Options.Only names.
func (c *Cluster) Objects(ctx context.Context) (all, named []*Object, err error) {
	list, err := c.List(ctx)
	if err != nil {
		return nil, nil, err
	}

	for i := range list {
		all = append(all, ParseObject(&list[i]))
	}

	for _, o := range all {
		if len(c.options.Only) == 0 || slices.Contains(c.options.Only, o.Release) || slices.Contains(c.options.Only, o.Workload) {
			named = append(named, o)
		}
	}

	return all, named, nil
}

// explain adds what to do; wanted is what one has to be allowed.
func explain(ctx context.Context, err error, wanted string) error {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w; one has to be allowed to %s", err, wanted)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the API server did not answer in time; see that it is reachable, or give it more with --timeout: %w", err)
	}
	return fmt.Errorf("%w; see that the API server is reachable, and that --kubeconfig and --context are the ones you mean", err)
}

// pods lists the Pods that an object is of. With none of them comes why.
func (c *Cluster) pods(ctx context.Context, o *Object) ([]corev1.Pod, nowhere, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()

	places, why, err := c.places(ctx, o)
	if err != nil {
		return nil, nowhere{}, err
	}

	var pods []corev1.Pod
	for _, p := range places {
		list, err := c.core.Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: p.selector})
		if err != nil {
			return nil, nowhere{}, explain(ctx, err, "list pods")
		}

		for _, pod := range list.Items {
			over := pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
			// Without a selector it is whatever has a proxy.
			if !over && (len(o.Selector) > 0 || hasProxy(&pod, o.container())) {
				pods = append(pods, pod)
			}
		}
	}

	return pods, why, nil
}

// container is the name of that of the object's proxies.
func (o *Object) container() string {
	if o.policy() {
		return gatewayContainer
	}
	return container
}

func hasProxy(pod *corev1.Pod, container string) bool {
	return slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool { return c.Name == container })
}

// Rows says for each object and each of its Pods what is in force, in the
// objects' order, Pods by name.
func (c *Cluster) Rows(ctx context.Context, objects []*Object) []Row {
	c.verdicts(ctx, objects)
	proxies, rows := c.proxies(ctx, objects)

	// All proxies, some at once.
	var wait sync.WaitGroup

	free := make(chan struct{}, atOnce)
	for _, p := range proxies {
		wait.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()

			p.rows = c.ask(ctx, &p.pod, p.objects)
		})
	}
	wait.Wait()

	for _, p := range proxies {
		rows = append(rows, p.rows...)
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		if d := strings.Compare(a.Object, b.Object); d != 0 {
			return d
		}
		return strings.Compare(a.Pod, b.Pod)
	})

	split(rows)

	return rows
}

// asked is a proxy that is asked about some objects.
type asked struct {
	pod     corev1.Pod
	objects []*Object
	rows    []Row
}

// proxies are those that are to be asked, and rows what is said of the objects
// without any.
func (c *Cluster) proxies(ctx context.Context, objects []*Object) (order []*asked, rows []Row) {
	proxies := map[string]*asked{}
	for _, o := range objects {
		pods, why, err := c.pods(ctx, o)
		switch {
		case err != nil:
			row := o.row()
			row.State, row.Reason = Unknown, err.Error()
			rows = append(rows, row)
		case len(pods) == 0:
			row := o.row()
			row.State, row.Reason, row.Advice = NoPods, why.reason, why.advice
			if decided, ok := o.judgeVerdict(o.row()); ok {
				row = decided
			}

			rows = append(rows, row)
		}

		for _, pod := range pods {
			// A Pod of Envoy Gateway may have a sidecar, too.
			name := pod.Namespace + "/" + pod.Name + "/" + o.container()
			if proxies[name] == nil {
				proxies[name] = &asked{pod: pod}
				order = append(order, proxies[name])
			}

			proxies[name].objects = append(proxies[name].objects, o)
		}
	}

	return order, rows
}

// ask asks one proxy about its objects, which are all Istio's or all Envoy Gateway's.
func (c *Cluster) ask(ctx context.Context, pod *corev1.Pod, objects []*Object) []Row {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	var answers *Proxy
	var err error
	runs := pod.Status.Phase == corev1.PodRunning
	container := objects[0].container()
	if runs && hasProxy(pod, container) {
		if c.options.StatsPort != 0 {
			answers, err = c.metrics(ctx, pod, objects[0])
		} else {
			answers, err = c.answers(ctx, pod, objects)
		}
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("the proxy did not answer within %s: %w", c.options.Timeout, err)
		}
	}

	var rows []Row
	for _, o := range objects {
		row := o.row()

		decided, ok := o.judgeVerdict(row)
		switch {
		case ok:
			row = decided
		case !hasProxy(pod, container):
			row.State, row.Reason = NoProxy, "the Pod has no container "+container+", so nothing is rewritten"
			row.Advice = "label the namespace istio-injection=enabled (or istio.io/rev=…) and restart the workload"
		case !runs:
			row.State, row.Reason = NotRunning, "the Pod is "+string(pod.Status.Phase)
			row.Advice = fmt.Sprintf("kubectl describe pod %s --namespace %s says why", pod.Name, pod.Namespace)
		case err != nil && c.options.StatsPort != 0:
			row = row.silent(err)
		case err != nil:
			row = row.unknown(err)
		case c.options.StatsPort != 0:
			row = JudgeMetrics(o, answers)
		default:
			row = Judge(o, answers)
			row.tallies = answers.tallies(o)
		}

		row.Pod = pod.Namespace + "/" + pod.Name
		rows = append(rows, row)
	}

	return rows
}

func (c *Cluster) answers(ctx context.Context, pod *corev1.Pod, objects []*Object) (*Proxy, error) {
	port, container := c.options.AdminPort, objects[0].container()
	if objects[0].policy() {
		port = gatewayAdminPort
	}

	address, stop, err := c.forward(ctx, pod, port)
	if err != nil {
		return nil, err
	}
	defer stop()

	p := &Proxy{}
	asked := map[string]*[]byte{
		"/config_dump?include_eds=off&resource=ecds_filters": &p.Extensions,
		"/stats?filter=wasm_rewrite":                         &p.Stats,
	}
	if slices.ContainsFunc(objects, func(o *Object) bool { return o.Kind == "EnvoyFilter" || o.policy() }) {
		asked["/config_dump?include_eds=off&resource=dynamic_listeners"] = &p.Listeners
	}

	for query, answer := range asked {
		if *answer, err = get(ctx, "http://"+address+query, maxAnswer); err != nil {
			return nil, err
		}
	}

	options := &corev1.PodLogOptions{Container: container}
	if last := p.updated(objects); !last.IsZero() {
		since, limit := metav1.NewTime(last.Add(-before)), int64(maxLog)
		options.SinceTime, options.LimitBytes = &since, &limit
		// Without the log the answer stands, only not why.
		if log, err := c.core.Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx); err == nil {
			p.Log = log
		}
	}

	return p, nil
}

func (c *Cluster) metrics(ctx context.Context, pod *corev1.Pod, o *Object) (*Proxy, error) {
	port := c.options.StatsPort
	if o.policy() {
		port = gatewayStatsPort
	}

	text, err := get(ctx, fmt.Sprintf("http://%s/stats/prometheus?filter=wasm_rewrite", net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port))), maxAnswer)
	return &Proxy{Metrics: text}, err
}
