package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// touched prints how many pages of the machine code that V8 has made a request touches: the code has to come into the
// processor's caches again for each request that others have run before.
func touched(ctx context.Context, o options, listener envoy.Listener) (err error) {
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: o.envoy, Listeners: []envoy.Listener{listener}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	if err := rested(ctx, proxy.Pid()); err != nil {
		return err
	}

	// What the first requests do once and for all does not count.
	const warm, counted = 2, 5

	path := "/" + strings.TrimPrefix(o.path, "/")

	var pages []int

	all := 0
	for i := range warm + counted {
		// From here on the kernel notes which pages are read or run.
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", proxy.Pid()), []byte("1"), 0); err != nil {
			return err
		}
		if err := get(ctx, proxy.URL(listener.Name)+path); err != nil {
			return err
		}

		var used int
		if used, all, err = code(proxy.Pid()); err != nil {
			return err
		}
		if i >= warm {
			pages = append(pages, used)
		}
	}
	slices.Sort(pages)
	fmt.Printf("a request for %s touches %d (%d to %d) of the %d pages of 4 KiB that V8's machine code has\n",
		path, pages[counted/2], pages[0], pages[counted-1], all)

	return nil
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	_, err = io.Copy(io.Discard, response.Body)

	return err
}

// code counts the pages of machine code that a process has made itself, and how many of them were used since the kernel
// was told to forget. They are what can be run and belongs to no file.
func code(pid int) (used, all int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, 0, err
	}

	made := false
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)

		// A mapping begins: addresses, rights, offset, device, inode, and the file's name if there is one.
		if len(fields) > 1 && !strings.HasSuffix(fields[0], ":") {
			made = len(fields) == 5 && strings.Contains(fields[1], "x")
			continue
		}

		to := map[string]*int{"Referenced:": &used, "Rss:": &all}[fields[0]]
		if to == nil || !made {
			continue
		}

		kib, err := strconv.Atoi(fields[1])
		if err != nil {
			return 0, 0, err
		}

		*to += kib / 4
	}

	return used, all, nil
}
