package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// asking goes where it is told to, and not where a Pod sends it on to.
var asking = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get asks a proxy; most is how many bytes its answer may have.
func get(ctx context.Context, address string, most int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}

	response, err := asking.Do(request)
	if err == nil {
		defer response.Body.Close()
		var body []byte
		// A dump without the resource is a 404 with a sentence.
		body, err = io.ReadAll(io.LimitReader(response.Body, most+1))
		switch {
		case err == nil && int64(len(body)) > most:
			// What is cut off would be read as if it were not there.
			err = fmt.Errorf("the answer has more than %d bytes", most)
		case err == nil && (response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotFound):
			return body, nil
		case err == nil:
			err = errors.New(response.Status)
		}
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}

	return nil, fmt.Errorf("the proxy: %s: %w", request.URL.RequestURI(), err)
}

// forward makes a local address of a proxy's admin port, as istioctl does.
func (c *Cluster) forward(ctx context.Context, pod *corev1.Pod, port int) (address string, stop func(), err error) {
	to := c.core.RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return "", nil, err
	}

	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(to, c.config)
	if err != nil {
		return "", nil, err
	}

	dialer := portforward.NewFallbackDialerForStreaming(tunnel,
		spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, to), func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready,
		io.Discard, io.Discard)
	if err != nil {
		cancel()
		return "", nil, err
	}

	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()

	select {
	case <-ready:
		ports, err := forwarder.GetPorts()
		if err != nil {
			cancel()
			return "", nil, err
		}
		return fmt.Sprintf("127.0.0.1:%d", ports[0].Local), cancel, nil
	case err := <-failed:
		cancel()
		return "", nil, fmt.Errorf("port-forward: %w", err)
	case <-ctx.Done():
		err := ctx.Err()
		cancel()
		return "", nil, fmt.Errorf("port-forward: %w", err)
	}
}
