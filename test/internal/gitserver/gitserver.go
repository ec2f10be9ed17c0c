// Package gitserver is a git server over HTTP, git's own http-backend, that calls webhooks after a push as GitHub does,
// and that tests can take down and bring back.
package gitserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const repository = "rules.git"

// Server serves one repository.
type Server struct {
	// URL is where the repository is cloned from and pushed to, by anybody.
	URL string

	address, folder string
	backend         http.Handler
	mu              sync.Mutex
	server          *http.Server // nil while it is down
	webhooks        []string
	pushes          sync.WaitGroup
	failures        []error
}

// Start serves an empty repository, kept in folder, at a free port of host, an IP address of this machine.
func Start(host, folder string) (*Server, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}

	programs, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("git --exec-path: %w: is git installed?", err)
	}
	if out, err := exec.Command("git", "init", "--quiet", "--bare", "--initial-branch=main", filepath.Join(folder, repository)).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("git init: %w: %s", err, out)
	}

	s := &Server{address: net.JoinHostPort(host, "0"), folder: folder}
	s.backend = &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(programs)), "git-http-backend"),
		// Whoever has a name may push.
		Env: []string{"GIT_PROJECT_ROOT=" + folder, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=test"},
	}
	if err := s.Up(); err != nil {
		return nil, err
	}

	s.URL = "http://" + s.address + "/" + repository

	return s, nil
}

// Call has every later push told to the receivers at these URLs.
func (s *Server) Call(webhooks ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.webhooks = webhooks
}

// Up brings the server back at the same address after Down.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}

	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("git server: %w", err)
	}

	s.address = listener.Addr().String()

	s.server = &http.Server{Handler: s}
	go func(server *http.Server) { _ = server.Serve(listener) }(s.server)

	return nil
}

// Down makes the server refuse connections. Without effect while it is down.
func (s *Server) Down() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}

	err := s.server.Close()
	s.server = nil
	return err
}

// Failures waits for the webhooks of all pushes so far and says which receivers did not take them.
func (s *Server) Failures() []error {
	s.pushes.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures
}

// ServeHTTP answers git's requests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
		s.backend.ServeHTTP(w, r)
		return
	}

	before := s.refs()
	s.backend.ServeHTTP(w, r)

	after := s.refs()
	for ref := range maps.Keys(after) {
		if before[ref] != after[ref] {
			s.announce(ref, before[ref], after[ref])
		}
	}
}

// refs are the commits of all branches.
func (s *Server) refs() map[string]string {
	out, _ := exec.Command("git", "--git-dir", filepath.Join(s.folder, repository), "for-each-ref", "--format=%(refname) %(objectname)").Output()

	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, commit, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[name] = commit
	}
	return refs
}

// announce sends GitHub's push event, once, to every receiver.
func (s *Server) announce(ref, before, after string) {
	event, err := json.Marshal(map[string]any{
		"ref": ref, "before": before, "after": after, "commits": []any{},
		"repository": map[string]any{"html_url": s.URL, "default_branch": "main"},
	})
	if err != nil {
		panic(err) // strings alone
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	for _, url := range s.webhooks {
		s.pushes.Go(func() {
			if err := send(url, event); err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()

				s.failures = append(s.failures, err)
			}
		})
	}
}

func send(url string, event []byte) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		return fmt.Errorf("webhook %s answers %s: %s", url, response.Status, body)
	}

	return nil
}
