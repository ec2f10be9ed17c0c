// Package node makes one machine of a cluster out of Linux namespaces: mounts, processes, network, host name and IPC of
// its own, as a machine under kind has them, without a container engine. What runs in it cannot outlive it, binds no
// port of this machine, and writes to no folder of this machine but the node's own. It needs root.
package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

// Node is a running machine.
type Node struct {
	// Dir is the node's folder, on this machine and in the node.
	Dir string
	// IP is the node's address; HostIP is this machine's address on the link between the two.
	IP, HostIP string

	holder    *process.Process
	link      string // this machine's interface
	init      int    // the pid of the node's process 1, as this machine sees it
	mu        sync.Mutex
	processes []*process.Process
}

//go:embed init.sh
var initScript string

// Tools are the programs that a node needs on PATH.
var Tools = []string{"bash", "ip", "mount", "nsenter", "sysctl", "unshare"}

// Start makes a node that keeps its state in dir, which must exist and are on a file system that overlayfs accepts as
// its upper layer.
func Start(ctx context.Context, dir string) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("a mesh node needs root, for its mounts and its network, and this runs as user %d: run it again with sudo", os.Geteuid())
	}

	n := &Node{Dir: dir}
	ready := filepath.Join(dir, "ready")
	var err error
	n.holder, err = process.Start(ctx, process.Config{
		Name: "node",
		Path: "unshare",
		Args: []string{"--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child=KILL", "bash", "-euc", initScript, "node", dir},
		Ready: func(context.Context) error {
			_, err := os.Stat(ready)
			return err
		},
	})
	if err != nil {
		return nil, err
	}

	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", n.holder.Pid()))
	if err == nil {
		n.init, err = strconv.Atoi(strings.TrimSpace(string(children)))
	}
	if err == nil {
		err = n.connect()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node: %w", err), n.Stop())
	}

	return n, nil
}

// connect joins the node to this machine by a pair of virtual interfaces. It vanishes with the node.
func (n *Node) connect() error {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}

	pid := strconv.Itoa(n.init)
	for i := range 64 {
		_, subnet, _ := net.ParseCIDR(fmt.Sprintf("10.213.%d.0/30", i))
		if overlaps(taken, subnet) {
			continue
		}

		name := fmt.Sprintf("wr-node%d", i)
		// Adding fails if another mesh took the name in between.
		if err := run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", pid); err != nil {
			if strings.Contains(err.Error(), "exists") {
				continue
			}
			return err
		}

		n.link = name

		n.HostIP, n.IP = fmt.Sprintf("10.213.%d.1", i), fmt.Sprintf("10.213.%d.2", i)
		for _, command := range [][]string{
			{"ip", "addr", "add", n.HostIP + "/30", "dev", name},
			{"ip", "link", "set", name, "up"},
			n.enter("ip", "link", "set", "lo", "up"),
			n.enter("ip", "addr", "add", n.IP+"/30", "dev", "eth0"),
			n.enter("ip", "link", "set", "eth0", "up"),
			n.enter("ip", "route", "add", "default", "via", n.HostIP),
			n.enter("sysctl", "-qw", "net.ipv4.ip_forward=1"),
		} {
			if err := run(command...); err != nil {
				return err
			}
		}

		return nil
	}

	return errors.New("no free network among 10.213.0.0/30 to 10.213.63.0/30: see `ip addr`")
}

func overlaps(addresses []net.Addr, subnet *net.IPNet) bool {
	for _, address := range addresses {
		if other, ok := address.(*net.IPNet); ok && (subnet.Contains(other.IP) || other.Contains(subnet.IP)) {
			return true
		}
	}
	return false
}

func run(command ...string) error {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (n *Node) enter(command ...string) []string {
	return append([]string{"nsenter", "--target", strconv.Itoa(n.init), "--mount", "--net", "--pid", "--uts", "--ipc", "--"}, command...)
}

// Run starts a program in the node; its whole log goes to <Dir>/log/<name>.log. It is stopped with the node, or
// earlier by its own Stop, which kills it.
func (n *Node) Run(ctx context.Context, c process.Config) (*process.Process, error) {
	if err := os.MkdirAll(filepath.Join(n.Dir, "log"), 0o755); err != nil {
		return nil, err
	}

	log, err := os.OpenFile(filepath.Join(n.Dir, "log", c.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}

	c.Log = io.Writer(log)
	command := n.enter(append([]string{c.Path}, c.Args...)...)
	c.Path, c.Args = command[0], command[1:]
	p, err := process.Start(ctx, c)
	if err != nil {
		log.Close()
		return nil, err
	}

	go func() {
		<-p.Done()
		log.Close()
	}()
	n.mu.Lock()
	n.processes = append(n.processes, p)
	n.mu.Unlock()

	return p, nil
}

// Stop ends everything in the node at once, and the node.
func (n *Node) Stop() error {
	if n.init != 0 {
		// The kernel kills every process of a process namespace with its process 1.
		if err := syscall.Kill(n.init, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("node: %w", err)
		}
		<-n.holder.Done()
	}
	if n.link != "" {
		// It goes with the network namespace, which closing connections keep for a while. Gone already is fine.
		_ = run("ip", "link", "delete", n.link)
	}

	_ = n.holder.Stop()
	for _, p := range n.processes {
		<-p.Done()
	}

	return nil
}
