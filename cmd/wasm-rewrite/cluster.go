package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// clusterFlags say which cluster is asked.
type clusterFlags struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
	timeout   time.Duration
}

// add adds the flags; who may take --timeout says whose answer it waits for.
func (f *clusterFlags) add(flags *pflag.FlagSet, who string) {
	f.rules = clientcmd.NewDefaultClientConfigLoadingRules()
	flags.StringVar(&f.rules.ExplicitPath, "kubeconfig", "", "the kubeconfig file, instead of KUBECONFIG and ~/.kube/config")
	flags.StringVar(&f.overrides.CurrentContext, "context", "", "the kubeconfig's context, instead of its current one")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long "+who+" may take")
}

// connect gives how to reach the cluster, and the namespace that is meant
// where none is named. Within a Pod and without a kubeconfig it is the Pod's
// own cluster.
func (f *clusterFlags) connect() (config *rest.Config, namespace string, err error) {
	if f.timeout <= 0 {
		return nil, "", fmt.Errorf("--timeout %s: want more than 0", f.timeout)
	}

	kubeconfig := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(f.rules, &f.overrides)
	config, err = kubeconfig.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = errors.New("there is no kubeconfig with a cluster in it")
	}
	if err != nil {
		return nil, "", fmt.Errorf("no cluster to ask: %w; name a kubeconfig with --kubeconfig or KUBECONFIG, and one of its contexts with --context", err)
	}

	namespace, _, err = kubeconfig.Namespace()

	return config, namespace, err
}

// clusterPrefix begins the name of an INPUT that is a namespace of a cluster.
const clusterPrefix = "cluster:"

// readCluster reads the chart's objects in a namespace, as cluster:shop names it.
func (f *clusterFlags) readCluster(ctx context.Context, name string) (*input.Input, error) {
	config, namespace, err := f.connect()
	if err != nil {
		return nil, err
	}
	if named := strings.TrimPrefix(name, clusterPrefix); named != "" {
		namespace = named
	}

	cluster, err := status.Connect(config, status.Options{Namespace: namespace, Timeout: f.timeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	list, err := cluster.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	in, err := read.Cluster(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(in.Workloads) == 0 {
		return nil, fmt.Errorf("%s: the chart made no object in namespace %s; name the namespace of the workloads, as %sshop", name, namespace, clusterPrefix)
	}

	in.Name = name

	return in, nil
}

// everywhere is the namespace of routes that means all of them.
const everywhere = "*"

// readRoutes reads the routes in a namespace of a cluster, as cluster:shop names
// it, or in all of them.
func (f *clusterFlags) readRoutes(ctx context.Context, name string) ([]map[string]any, error) {
	config, namespace, err := f.connect()
	if err != nil {
		return nil, err
	}

	switch named := strings.TrimPrefix(name, clusterPrefix); named {
	case "":
	case everywhere:
		namespace = ""
	default:
		namespace = named
	}

	cluster, err := status.Connect(config, status.Options{Namespace: namespace, Timeout: f.timeout})
	if err != nil {
		return nil, err
	}

	list, err := cluster.Routes(ctx)
	if err != nil {
		return nil, err
	}

	objects := make([]map[string]any, 0, len(list))
	for i := range list {
		objects = append(objects, list[i].Object)
	}

	return objects, nil
}

// ask gives the cluster that is asked; options are completed by what the flags say.
// all means every namespace.
func (f *clusterFlags) ask(options *status.Options, all bool) (*status.Cluster, error) {
	config, namespace, err := f.connect()
	if err != nil {
		return nil, err
	}

	if all {
		namespace = ""
	}

	options.Namespace, options.Timeout = namespace, f.timeout

	return status.Connect(config, *options)
}
