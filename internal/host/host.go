// Package host runs a Proxy-Wasm filter (ABI 0.2.0) without a proxy, for tests
// and for trying rules out. What the filter can observe is as in Envoy: which
// callbacks it gets in which order, what each host call returns, and above all
// the header maps. There is no network behind it: the upstream is a function.
//
//	module, err := host.Compile(ctx, wasm, nil)
//	vm, err := module.New(ctx, host.Options{})
//	plugin, err := vm.Start(ctx, "shop", config)
//	result, err := plugin.Exchange(ctx, request, upstream)
package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// instance is a module at work. What runs it is wazero, or, where this package
// is compiled for a browser, the browser.
type instance interface {
	memory
	exports(name string) bool
	// call runs an export; the result is 0 where it has none. The error reports
	// a trap, or that the module did not return in time.
	call(ctx context.Context, name string, args ...uint64) (uint64, error)
	close(ctx context.Context) error
}

// memory is a module's memory; false where a place lies outside of it.
type memory interface {
	Read(at, size uint32) ([]byte, bool)
	WriteUint32Le(at, v uint32) bool
	WriteUint64Le(at uint32, v uint64) bool
	WriteString(at uint32, s string) bool
}

// wasiFunctions is what every supported Envoy provides of WASI; later ones
// provide more.
var wasiFunctions = []string{
	"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get", "fd_close",
	"fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_dir_name", "fd_prestat_get", "fd_read",
	"fd_seek", "fd_write", "path_open", "poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

const wasi = "wasi_snapshot_preview1"

// notProvided names the imports, each a module and a name, that Envoy lacks.
func notProvided(imports [][2]string) error {
	var missing []string
	for _, one := range imports {
		module, name := one[0], one[1]

		_, known := hostFunctions[name]
		switch {
		case module == "env" && (known || name == "emscripten_notify_memory_growth"):
		case module == wasi && slices.Contains(wasiFunctions, name):
		default:
			missing = append(missing, module+"."+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}

	return fmt.Errorf("the module imports what Envoy does not provide with ABI 0.2.0: %s", strings.Join(missing, ", "))
}

// allocator gives the export by which the host gets memory of the module, and
// checks what else a filter exports.
func allocator(memory bool, exports func(name string) bool) (string, error) {
	if !exports("proxy_abi_version_0_2_0") {
		return "", errors.New("the module does not export proxy_abi_version_0_2_0: not a Proxy-Wasm filter of ABI 0.2.0")
	}
	if !memory {
		return "", errors.New("the module exports no memory")
	}

	for _, name := range []string{"malloc", "proxy_on_memory_allocate"} {
		if exports(name) {
			return name, nil
		}
	}

	return "", errors.New("the module exports neither malloc nor proxy_on_memory_allocate")
}

// Options of a VM. The zero value is ready for use.
type Options struct {
	// Timeout bounds every call into the module; a minute if zero. A VM whose module
	// does not return in time has failed.
	Timeout time.Duration
	// Clock tells the module the time; time.Now if nil.
	Clock func() time.Time
	// Random gives the module its random bytes; those of crypto/rand if nil.
	Random io.Reader
	// Fail decides the fate of each host call: StatusOK lets it run, anything
	// else is returned to the module in its place. call is the name of the
	// function (proxy_log), n counts the calls of that function in this VM, from
	// 1. If nil, all run. It must not use the VM.
	Fail func(call string, n int) Status
}

// VM is one instance of a module, as one worker of Envoy has it. Any number of
// plugins share it. It is safe for concurrent use: the module runs on one
// goroutine at a time, and the streams take turns between its callbacks.
type VM struct {
	opts    Options
	running instance
	alloc   string // the export that gives the host memory of the module

	mu         sync.Mutex
	failed     error
	restricted bool // while the module is instantiated, only logging is allowed
	nextID     uint32
	contexts   map[uint32]*callContext
	current    *callContext // whose callback runs
	effective  *callContext // set by the module for the rest of that callback
	metrics    metrics
	shared     map[string]sharedValue
	logs       []Log
	calls      map[string]int
}

// callContext is one context of the ABI: the VM's own (id 0), a plugin's, or a
// stream's.
type callContext struct {
	id     uint32
	root   *callContext // itself, for a plugin's
	plugin *Plugin
	stream *stream // nil but for a stream's
	config *[]byte // nil while it cannot be read
}

// Log is one message of a module, or one line it wrote to stdout (LevelInfo) or
// stderr (LevelError).
type Log struct {
	Level   Level
	Plugin  string // whose callback ran; empty while the module is instantiated
	Message string
}

// Level is a log level of the ABI.
type Level uint32

// The levels, in the ABI's order.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelCritical
)

func (l Level) String() string {
	return [...]string{"trace", "debug", "info", "warn", "error", "critical"}[l]
}

// New makes a VM and runs the module's initialisation. Close it after use.
func (m *Module) New(ctx context.Context, opts Options) (*VM, error) {
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}

	vm := &VM{
		opts:     opts,
		nextID:   1,
		contexts: map[uint32]*callContext{},
		shared:   map[string]sharedValue{},
		calls:    map[string]int{},
	}
	own := &callContext{}
	vm.mu.Lock()
	defer vm.mu.Unlock()

	vm.restricted, vm.current = true, own
	starting, cancel := vm.bounded(ctx)
	defer cancel()

	running, err := m.instantiate(starting, vm)
	if err != nil {
		return nil, fmt.Errorf("the module cannot be instantiated: %w", err)
	}

	vm.running, vm.alloc = running, m.alloc
	initialisers := []string{"_start"}
	if running.exports("_initialize") {
		initialisers = []string{"_initialize", "__main_void"}
	}

	for _, name := range initialisers {
		if _, err := vm.call(ctx, own, name); err != nil {
			return nil, errors.Join(err, running.close(ctx))
		}
	}

	vm.restricted = false

	return vm, nil
}

// Close ends the VM. The module is not told.
func (vm *VM) Close(ctx context.Context) error { return vm.running.close(ctx) }

// Metrics returns the values of all counters and gauges under the names the
// module gave them (Envoy writes wasmcustom. in front), and of each histogram
// the number of values recorded.
func (vm *VM) Metrics() map[string]int64 {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return vm.metrics.values()
}

// Calls returns how often the module called each function of the ABI.
func (vm *VM) Calls() map[string]int {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return maps.Clone(vm.calls)
}

// Logs returns everything the module has logged, oldest first.
func (vm *VM) Logs() []Log {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	return slices.Clone(vm.logs)
}

func (vm *VM) log(level Level, message string) {
	l := Log{Level: level, Message: message}
	if c := vm.acting(); c != nil && c.plugin != nil {
		l.Plugin = c.plugin.name
	}

	vm.logs = append(vm.logs, l)
}

// output takes what the module writes to stdout or stderr.
type output struct {
	vm    *VM
	level Level
}

func (o output) Write(b []byte) (int, error) {
	if len(b) > 0 {
		o.vm.log(o.level, strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}

// acting returns the context host calls are made for.
func (vm *VM) acting() *callContext {
	if vm.effective != nil {
		return vm.effective
	}
	return vm.current
}

func (vm *VM) newContext(p *Plugin, s *stream) *callContext {
	c := &callContext{id: vm.nextID, plugin: p, stream: s}
	c.root = c
	if s != nil {
		c.root = p.context
	}
	vm.nextID++
	vm.contexts[c.id] = c
	return c
}

type vmKey struct{}

// bounded is ctx for one call into the module.
func (vm *VM) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, vmKey{}, vm), vm.opts.Timeout)
}

// call runs one callback of the module for a context; the lock is held. A
// callback that the module does not export is skipped, with result 0. A trap, or no return within the
// timeout, fails the VM for good.
func (vm *VM) call(ctx context.Context, c *callContext, name string, args ...uint64) (result uint64, err error) {
	if vm.failed != nil {
		return 0, vm.failed
	}
	if !vm.running.exports(name) {
		return 0, nil
	}

	vm.current, vm.effective = c, nil
	defer func() { vm.current, vm.effective = nil, nil }()

	ctx, cancel := vm.bounded(ctx)
	defer cancel()
	if result, err = vm.running.call(ctx, name, args...); err != nil {
		vm.failed = &TrapError{Callback: name, Err: err}
		return 0, vm.failed
	}

	return result, nil
}

// exports reports whether the module has a callback.
func (vm *VM) exports(name string) bool { return vm.running.exports(name) }

// TrapError says that a callback of the module trapped or did not return in
// time. The VM serves nothing after it: each later use returns the same error.
type TrapError struct {
	Callback string // proxy_on_request_headers
	Err      error  // with the module's stack
}

func (e *TrapError) Error() string {
	return fmt.Sprintf("the module failed in %s: %v", e.Callback, e.Err)
}

func (e *TrapError) Unwrap() error { return e.Err }

// RefusedError says that the module refused a configuration.
type RefusedError struct {
	Plugin string
	Logs   []Log // what the module logged about it
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %q: the module refused its configuration", e.Plugin)

	for _, l := range e.Logs {
		fmt.Fprintf(&b, "\n%s: %s", l.Level, l.Message)
	}
	return b.String()
}

// Plugin is one configuration running in a VM.
type Plugin struct {
	vm      *VM
	name    string
	context *callContext
	tick    time.Duration
	streams int // exchanges under way
	closed  bool
}

// Start gives a new plugin its configuration, as Envoy does for every filter
// that is new or has changed: the context is created, proxy_on_vm_start and
// proxy_on_configure are called. The module reads name as the property
// plugin_name. The error is a *RefusedError if the module refused; the VM is as
// good as before then. A configuration is replaced by starting another plugin
// of the same name and closing the old one; streams of both may run meanwhile.
func (vm *VM) Start(ctx context.Context, name string, config []byte) (*Plugin, error) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if vm.failed != nil {
		return nil, vm.failed
	}

	p := &Plugin{vm: vm, name: name}
	p.context = vm.newContext(p, nil)
	before := len(vm.logs)
	ok, err := p.configure(ctx, config)
	if err != nil {
		return nil, err
	}
	if !ok {
		refused := &RefusedError{Plugin: name, Logs: slices.Clone(vm.logs[before:])}
		if err := vm.end(ctx, p.context, "proxy_on_done", "proxy_on_delete"); err != nil {
			return nil, err
		}
		return nil, refused
	}

	return p, nil
}

func (p *Plugin) configure(ctx context.Context, config []byte) (ok bool, err error) {
	vm, c := p.vm, p.context
	for _, step := range []struct {
		callback string
		readable bool // whether the configuration is
		size     int
	}{
		{"proxy_on_context_create", true, 0},
		{"proxy_on_vm_start", false, 0},
		{"proxy_on_configure", true, len(config)},
	} {
		c.config = nil
		if step.readable {
			c.config = &config
		}

		result, err := vm.call(ctx, c, step.callback, uint64(c.id), uint64(step.size))
		c.config = nil
		if err != nil {
			return false, err
		}
		if step.callback != "proxy_on_context_create" && vm.exports(step.callback) && result == 0 {
			return false, nil
		}
	}

	return true, nil
}

// Close ends the plugin as soon as its last exchange has ended; there can be no
// new ones.
func (p *Plugin) Close(ctx context.Context) error {
	p.vm.mu.Lock()
	defer p.vm.mu.Unlock()

	p.closed = true
	if p.streams > 0 {
		return nil
	}
	return p.vm.end(ctx, p.context, "proxy_on_done", "proxy_on_delete")
}

// end tells the module that a context is over.
func (vm *VM) end(ctx context.Context, c *callContext, callbacks ...string) error {
	delete(vm.contexts, c.id)

	for _, name := range callbacks {
		if _, err := vm.call(ctx, c, name, uint64(c.id)); err != nil {
			return err
		}
	}
	return nil
}

// TickPeriod returns how often the module wants Tick called; 0 means never.
func (p *Plugin) TickPeriod() time.Duration {
	p.vm.mu.Lock()
	defer p.vm.mu.Unlock()
	return p.tick
}

// Tick calls proxy_on_tick once.
func (p *Plugin) Tick(ctx context.Context) error {
	p.vm.mu.Lock()
	defer p.vm.mu.Unlock()

	_, err := p.vm.call(ctx, p.context, "proxy_on_tick", uint64(p.context.id))
	return err
}
