// Package registry is an OCI registry over plain HTTP that tests can take down, bring back and ask for a password.
package registry

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry is a running registry. Its images live as long as it does.
type Registry struct {
	// Address is its host and port, the first part of its images' names.
	Address string

	handler  http.Handler
	asked    sync.Map // how often each path was read: *atomic.Int64
	password atomic.Pointer[login]
	mu       sync.Mutex
	server   *http.Server // nil while it is down
}

type login struct{ user, password string }

// Start serves a registry at a free port of host, an IP address of this machine. Its blobs are in folder.
func Start(host, folder string) (*Registry, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}

	r := &Registry{Address: net.JoinHostPort(host, "0")}
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(registry.NewDiskBlobHandler(folder)),
		registry.WithReferrersSupport(true))
	r.handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if wanted := r.password.Load(); wanted != nil {
			if user, password, _ := request.BasicAuth(); user != wanted.user || password != wanted.password {
				// Istio 1.29 takes every realm for the URL of a token server, and refuses one that is not a public URL
				// (istio.io/istio/pkg/wasm/imagefetcher.go, validateRealmURL).
				w.Header().Set("WWW-Authenticate", `Basic realm="https://registry.example"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
				return
			}
		}
		if request.Method == http.MethodGet {
			count, _ := r.asked.LoadOrStore(request.URL.Path, new(atomic.Int64))
			count.(*atomic.Int64).Add(1)
		}
		images.ServeHTTP(w, request)
	})
	if err := r.Up(); err != nil {
		return nil, err
	}

	return r, nil
}

// Up brings the registry back at the same address after Down.
func (r *Registry) Up() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		return nil
	}

	listener, err := net.Listen("tcp", r.Address)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}

	r.Address = listener.Addr().String()

	r.server = &http.Server{Handler: r.handler}
	go func(server *http.Server) { _ = server.Serve(listener) }(r.server)

	return nil
}

// Down makes the registry refuse connections. Without effect while it is down.
func (r *Registry) Down() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil {
		return nil
	}

	err := r.server.Close()
	r.server = nil
	return err
}

// Asked is how often a path was read, such as /v2/REPOSITORY/manifests/DIGEST.
func (r *Registry) Asked(path string) int64 {
	count, ok := r.asked.Load(path)
	if !ok {
		return 0
	}
	return count.(*atomic.Int64).Load()
}

// RequireLogin makes the registry ask for a user and a password (HTTP Basic); an empty user lets everybody in again.
func (r *Registry) RequireLogin(user, password string) {
	if user == "" {
		r.password.Store(nil)
		return
	}
	r.password.Store(&login{user, password})
}

// Push puts an image under repository and tag, as `istio/pilot:1.2.3`, and returns its full name.
func (r *Registry) Push(repositoryAndTag string, image v1.Image) (string, error) {
	reference, err := name.NewTag(r.Address+"/"+repositoryAndTag, name.Insecure)
	if err != nil {
		return "", err
	}
	return reference.Name(), remote.Write(reference, image)
}
