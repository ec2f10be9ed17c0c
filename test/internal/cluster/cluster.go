// Package cluster runs a whole Kubernetes on one node, each part the real program: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, CoreDNS, containerd with runc and the reference CNI plugins, kube-proxy and
// the kubelet. It needs root and the programs of Tools.
package cluster

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/node"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

const (
	podNetwork     = "10.244.0.0/22"
	serviceNetwork = "10.96.0.0/16"
	nodeName       = "node"
	cniFolder      = "/usr/lib/cni"
)

// Config says what a cluster is made of.
type Config struct {
	// Bin is the folder that holds kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy and
	// coredns.
	Bin string
	// Registry starts the OCI registry that serves images over plain HTTP at hostIP, this machine's address on the link
	// to the node, and keeps what it wants in dir. It returns the registry's host and port, and the name of the image
	// that holds a Pod's network namespace.
	Registry func(hostIP, dir string) (registry, pauseImage string, err error)
	// Log receives a line for each step. Default: nobody.
	Log io.Writer
}

// Cluster is a running Kubernetes.
type Cluster struct {
	*node.Node
	// Kubeconfig is the path of an administrator's kubeconfig; REST and Client are the same in Go.
	Kubeconfig string
	REST       *rest.Config
	Client     kubernetes.Interface

	config    Config
	lock      *os.File // held while the cluster runs
	apiserver *process.Process
}

// Start starts every part and returns once the node is ready for Pods. After an error nothing is left running.
func Start(ctx context.Context, c Config) (*Cluster, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}
	var err error
	if c.Bin, err = filepath.Abs(c.Bin); err != nil {
		return nil, err
	}
	if err := checkTools(c.Bin); err != nil {
		return nil, err
	}
	sweep()

	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}

	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		return nil, err
	}

	k := &Cluster{config: c, lock: lock}
	if k.Node, err = node.Start(ctx, dir); err != nil {
		return nil, errors.Join(err, remove(dir))
	}
	if err := k.start(ctx); err != nil {
		return nil, errors.Join(err, k.Stop())
	}

	return k, nil
}

// A cluster's folder and cgroup bear its name.
const prefix = "wasm-rewrite-mesh-"

// sweep removes what clusters left behind that were killed, which nobody holds the lock of any more.
func sweep() {
	locks, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", "lock"))
	for _, path := range locks {
		lock, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = remove(filepath.Dir(path))
		}
		lock.Close()
	}
}

// checkTools names every program that is missing, with what brings it.
func checkTools(bin string) error {
	var missing []string
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns"} {
		if _, err := exec.LookPath(filepath.Join(bin, name)); err != nil {
			missing = append(missing, filepath.Join(bin, name)+": build it with `make mesh-tools`")
		}
	}

	for _, tool := range append([]string{"etcd", "containerd", "runc", "iptables"}, node.Tools...) {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool+": not on PATH")
		}
	}

	for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap"} {
		if _, err := os.Stat(filepath.Join(cniFolder, plugin)); err != nil {
			missing = append(missing, filepath.Join(cniFolder, plugin)+": not there")
		}
	}
	if missing == nil {
		return nil
	}

	return fmt.Errorf("a mesh needs programs that are not here:\n  %s\non Debian and Ubuntu: apt-get install etcd-server containerd runc "+
		"containernetworking-plugins iptables iproute2 procps",
		strings.Join(missing, "\n  "))
}

func (k *Cluster) path(name string) string { return filepath.Join(k.Dir, name) }

func (k *Cluster) bin(name string) string { return filepath.Join(k.config.Bin, name) }

func (k *Cluster) step(what string) { fmt.Fprintf(k.config.Log, "mesh: %s\n", what) }

func (k *Cluster) start(ctx context.Context) error {
	if err := k.writeCredentials(); err != nil {
		return err
	}

	registry, pause, err := k.config.Registry(k.HostIP, k.path("registry"))
	if err != nil {
		return err
	}
	// containerd needs nobody, and everything else needs the API server.
	container := make(chan error, 1)
	go func() { container <- k.startContainerd(ctx, registry, pause) }()

	err = k.startControlPlane(ctx)
	if err = errors.Join(err, <-container); err != nil {
		return err
	}

	return k.startNode(ctx)
}

// writeCredentials makes the administrator's token and the key that signs ServiceAccount tokens.
func (k *Cluster) writeCredentials() error {
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return err
	}

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}

	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})

	return errors.Join(
		os.WriteFile(k.path("tokens.csv"), []byte(hex.EncodeToString(token)+",admin,admin,system:masters\n"), 0o600),
		os.WriteFile(k.path("service-account.key"), keyPEM, 0o600),
	)
}

func (k *Cluster) startControlPlane(ctx context.Context) error {
	k.step("etcd")
	if _, err := k.Run(ctx, process.Config{
		Name: "etcd", Path: "etcd",
		Args: []string{
			"--data-dir=" + k.path("etcd"), "--unsafe-no-fsync",
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
		},
	}); err != nil {
		return err
	}
	k.step("kube-apiserver")
	if err := k.StartAPIServer(ctx); err != nil {
		return err
	}
	k.step("kube-controller-manager, kube-scheduler, CoreDNS")
	if _, err := k.Run(ctx, process.Config{
		Name: "kube-controller-manager", Path: k.bin("kube-controller-manager"),
		Args: []string{
			"--kubeconfig=" + k.Kubeconfig, "--leader-elect=false", "--secure-port=0",
			"--service-account-private-key-file=" + k.path("service-account.key"),
			"--root-ca-file=" + k.path("pki/apiserver.crt"), "--flex-volume-plugin-dir=" + k.path("volume-plugins"),
		},
	}); err != nil {
		return err
	}
	if _, err := k.Run(ctx, process.Config{
		Name: "kube-scheduler", Path: k.bin("kube-scheduler"),
		Args: []string{"--kubeconfig=" + k.Kubeconfig, "--leader-elect=false", "--secure-port=0"},
	}); err != nil {
		return err
	}

	corefile := fmt.Sprintf(".:53 {\n\terrors\n\tkubernetes cluster.local {\n\t\tkubeconfig %s\n\t}\n}\n", k.Kubeconfig)
	if err := os.WriteFile(k.path("Corefile"), []byte(corefile), 0o644); err != nil {
		return err
	}

	_, err := k.Run(ctx, process.Config{
		Name: "coredns", Path: k.bin("coredns"), Args: []string{"-conf", k.path("Corefile")},
		Ready: process.TCP(k.IP + ":53"),
	})

	return err
}

// StartAPIServer starts the API server, for the first time or after StopAPIServer.
func (k *Cluster) StartAPIServer(ctx context.Context) error {
	var err error
	k.apiserver, err = k.Run(ctx, process.Config{
		Name: "kube-apiserver", Path: k.bin("kube-apiserver"),
		Args: []string{
			"--etcd-servers=http://127.0.0.1:2379", "--cert-dir=" + k.path("pki"),
			"--bind-address=" + k.IP, "--advertise-address=" + k.IP, "--secure-port=6443",
			"--service-cluster-ip-range=" + serviceNetwork,
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + k.path("service-account.key"),
			"--service-account-signing-key-file=" + k.path("service-account.key"),
			"--token-auth-file=" + k.path("tokens.csv"), "--authorization-mode=RBAC",
			"--allow-privileged", "--kubelet-preferred-address-types=InternalIP",
		},
		Ready: func(ctx context.Context) error {
			if err := k.connect(); err != nil {
				return err
			}
			return k.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(time.Second).Do(ctx).Error()
		},
	})

	return err
}

// StopAPIServer ends the API server and nothing else.
func (k *Cluster) StopAPIServer() error { return k.apiserver.Stop() }

// connect writes the kubeconfig and makes the client, once the API server has written its certificate.
func (k *Cluster) connect() error {
	if k.Client != nil {
		return nil
	}

	ca, err := os.ReadFile(k.path("pki/apiserver.crt"))
	if err != nil {
		return err
	}

	token, err := os.ReadFile(k.path("tokens.csv"))
	if err != nil {
		return err
	}

	secret, _, _ := strings.Cut(string(token), ",")
	path := k.path("kubeconfig")
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: mesh, cluster: {server: "https://%s:6443", certificate-authority: %q}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: mesh, context: {cluster: mesh, user: admin}}]
current-context: mesh
`, k.IP, k.path("pki/apiserver.crt"), secret)
	if len(ca) == 0 {
		return fmt.Errorf("%s is empty", k.path("pki/apiserver.crt"))
	}
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		return err
	}
	if k.REST, err = clientcmd.BuildConfigFromFlags("", path); err != nil {
		return err
	}

	k.REST.QPS, k.REST.Burst = 200, 400
	client, err := kubernetes.NewForConfig(k.REST)
	if err != nil {
		return err
	}

	k.Kubeconfig, k.Client = path, client

	return nil
}

func (k *Cluster) startContainerd(ctx context.Context, registry, pause string) error {
	hosts := k.path("certs.d/" + registry)

	cni := k.path("cni")
	for _, folder := range []string{hosts, cni} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}

	config := fmt.Sprintf(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
`, pause, cniFolder, cni, k.path("certs.d"))
	network := fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`, podNetwork)
	server := fmt.Sprintf("server = \"http://%s\"\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", registry)
	if err := errors.Join(
		os.WriteFile(k.path("containerd.toml"), []byte(config), 0o644),
		os.WriteFile(filepath.Join(cni, "10-pods.conflist"), []byte(network), 0o644),
		os.WriteFile(filepath.Join(hosts, "hosts.toml"), []byte(server), 0o644),
	); err != nil {
		return err
	}

	_, err := k.Run(ctx, process.Config{Name: "containerd", Path: "containerd", Args: []string{"--config", k.path("containerd.toml")}})

	return err
}

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDNS: [%s]
clusterDomain: cluster.local
resolvConf: %q
volumePluginDir: %q
# No cgroup of this machine is shared out: what is in the node may use all of it.
cgroupRoot: %q
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
serializeImagePulls: false
registryPullQPS: 0
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 0%%, nodefs.available: 0%%, nodefs.inodesFree: 0%%, imagefs.available: 0%%}
readOnlyPort: 0
`

func (k *Cluster) startNode(ctx context.Context) error {
	k.step("kube-proxy, kubelet")
	if _, err := k.Run(ctx, process.Config{
		Name: "kube-proxy", Path: k.bin("kube-proxy"),
		Args: []string{
			"--kubeconfig=" + k.Kubeconfig, "--proxy-mode=iptables", "--cluster-cidr=" + podNetwork, "--hostname-override=" + nodeName,
			// The connection table's limits belong to the whole machine.
			"--conntrack-max-per-core=0", "--conntrack-min=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		},
	}); err != nil {
		return err
	}

	config := fmt.Sprintf(kubeletConfig, k.IP, k.IP, k.path("resolv.conf"), k.path("volume-plugins"), k.cgroup())
	if err := errors.Join(
		os.WriteFile(k.path("kubelet.yaml"), []byte(config), 0o644),
		os.WriteFile(k.path("resolv.conf"), nil, 0o644),
	); err != nil {
		return err
	}

	_, err := k.Run(ctx, process.Config{
		Name: "kubelet", Path: k.bin("kubelet"),
		Args: []string{"--config=" + k.path("kubelet.yaml"), "--kubeconfig=" + k.Kubeconfig, "--hostname-override=" + nodeName, "--node-ip=" + k.IP,
			"--cert-dir=" + k.path("kubelet-pki")},
		Ready: func(ctx context.Context) error {
			found, err := k.Client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
			if err != nil {
				return err
			}

			for _, condition := range found.Status.Conditions {
				if condition.Type == corev1.NodeReady {
					if condition.Status == corev1.ConditionTrue {
						return nil
					}
					return fmt.Errorf("the node is not ready: %s", condition.Message)
				}
			}

			return errors.New("the node has no Ready condition yet")
		},
	})

	return err
}

// cgroup is the parent of the containers' cgroups, one for each cluster.
func (k *Cluster) cgroup() string { return "/" + filepath.Base(k.Dir) }

// Stop ends everything at once and removes the cluster's folder.
func (k *Cluster) Stop() error {
	defer k.lock.Close()
	return errors.Join(k.Node.Stop(), remove(k.Dir))
}

// remove removes a stopped cluster's folder, and the cgroups that its containers left behind.
func remove(dir string) error {
	name := filepath.Base(dir)

	roots, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
		var folders []string
		_ = filepath.WalkDir(root, func(path string, entry os.DirEntry, walkErr error) error {
			if walkErr == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})

		for _, folder := range slices.Backward(folders) {
			err = errors.Join(err, os.Remove(folder))
		}
	}

	return errors.Join(err, os.RemoveAll(dir))
}
