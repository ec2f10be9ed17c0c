package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// After waits until every proxy runs a release, then sends its live tests.
type After struct {
	Wait    time.Duration // how long for the proxies
	Timeout time.Duration // for each live test
	Host    string        // of live tests that name none
	Address string        // HOST:PORT that live tests are sent to, instead of the host that each names

	Cluster *status.Cluster
	Release *release.Release
	Out     io.Writer
}

// ErrUnasked says that the answer is not known.
var ErrUnasked = errors.New("a proxy or the cluster cannot be asked")

// Run reports whether the release is in force everywhere and its live tests pass. The error is ErrUnasked where that cannot
// be told.
func (a *After) Run(ctx context.Context) (fine bool, err error) {
	fine, err = a.proxies(ctx)
	if !fine || err != nil {
		return false, err
	}
	return a.live(ctx), nil
}

// proxies waits until all of them run the release.
func (a *After) proxies(ctx context.Context) (fine bool, err error) {
	objects := a.Release.Objects()

	var rows []status.Row
	for end := time.Now().Add(a.Wait); ; {
		all := a.Cluster.Rows(ctx, objects)
		rows = missing(all)
		if len(rows) == 0 {
			served := slices.DeleteFunc(all, func(row status.Row) bool { return row.State != status.InForce })
			fmt.Fprintf(a.Out, "%s: in force on %s\n", a.Release, proxies(len(served)))
			return true, nil
		}

		if !time.Now().Before(end) {
			return false, a.tell(rows)
		}

		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// tell says what keeps the release from being in force.
func (a *After) tell(rows []status.Row) (err error) {
	for _, row := range rows {
		if row.State == status.Unknown {
			err = ErrUnasked
		}

		at := "workload " + row.Workload
		if row.Pod != "" {
			at += ", Pod " + row.Pod
		}

		said := row.Reason
		if row.Advice != "" {
			said += "; " + row.Advice
		}
		fmt.Fprintf(a.Out, "%s: %s: %s\n", at, row.State, terminal.Line(said))
	}
	fmt.Fprintf(a.Out, "%s: not in force on every proxy after %s\n", a.Release, a.Wait)

	return err
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy"
	}
	return fmt.Sprintf("%d proxies", n)
}

// missing are the rows that keep a release from being in force. A Pod that does not run yet starts with it, so it is none
// where another one runs it.
func missing(rows []status.Row) (list []status.Row) {
	served := map[string]bool{}
	for _, row := range rows {
		served[row.Workload] = served[row.Workload] || row.State == status.InForce
	}

	for _, row := range rows {
		if row.State != status.InForce && (row.State != status.NotRunning || !served[row.Workload]) {
			list = append(list, row)
		}
	}

	return list
}

// tries is how often a live test may fail: Services and routes follow their Pods with a delay.
const tries = 5

// live sends the live tests, and reports whether all passed.
func (a *After) live(ctx context.Context) (fine bool) {
	over := a.transport()

	passed, failed := 0, 0
	for _, w := range a.Release.Input().Workloads {
		for i := range w.Tests {
			t := &w.Tests[i]
			if !t.Live {
				continue
			}
			if !t.Request.HostNamed && a.Host != "" {
				t.Request.Host = a.Host
			}

			said := a.try(ctx, over, t)
			if said == nil {
				passed++
				continue
			}
			failed++
			fmt.Fprintf(a.Out, "FAIL workload %s: %s\n  %s\n  %s\n", w.Name, terminal.Line(t.Name), terminal.Line(t.Request.String()), strings.Join(said, "\n  "))
		}
	}
	fmt.Fprintf(a.Out, "%s: live tests: %d passed, %d failed\n", a.Release, passed, failed)

	return failed == 0
}

// transport sends a request as it is written, to Address where there is one.
func (a *After) transport() http.RoundTripper {
	over := http.DefaultTransport.(*http.Transport).Clone()
	over.Proxy, over.DisableCompression, over.DisableKeepAlives = nil, true, true
	if a.Address != "" {
		over.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, a.Address)
		}
	}
	return over
}

// try sends one live test until it passes, and says why it does not.
func (a *After) try(ctx context.Context, over http.RoundTripper, t *example.Test) (said []string) {
	for i := range tries {
		if i > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}

		one, cancel := context.WithTimeout(ctx, a.Timeout)
		failures, err := t.Send(one, over)
		cancel()

		said = nil
		for _, f := range failures {
			said = append(said, terminal.Line(f.String()))
		}
		if err != nil {
			said = []string{terminal.Line("no answer: " + err.Error())}
			var unresolved *net.DNSError
			if errors.As(err, &unresolved) {
				said = append(said, "this cluster's DNS does not know "+terminal.Line(unresolved.Name)+": name where live tests are sent to with verify.after.address, "+
					"as HOST:PORT of the gateway")
			}
		}
		if said == nil {
			return nil
		}
	}

	return said
}
