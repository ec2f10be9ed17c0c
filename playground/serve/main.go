// Command serve gives out the playground's page on this machine.
//
//	serve -port 8080 build/playground
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	port := flag.Int("port", 0, "the port; 0 takes a free one")
	flag.Parse()
	if err := serve(flag.Arg(0), *port); err != nil {
		fmt.Fprintln(os.Stderr, "playground:", err)
		os.Exit(1)
	}
}

func serve(dir string, port int) error {
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		return fmt.Errorf("%s holds no page: run make playground", dir)
	}

	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}

	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return errors.New("the address is not one of TCP")
	}
	fmt.Printf("the playground: http://localhost:%d/   (Ctrl-C ends it)\n", address.Port)

	server := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: 10 * time.Second}

	return server.Serve(listener)
}
