package exchange

import (
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// ParseRequest makes a request of what a user types: a method, a URL or its path, and headers, each "name: value".
func ParseRequest(method, url string, headers []string) (message.Message, error) {
	if method == "" || method != strings.ToUpper(method) {
		return message.Message{}, fmt.Errorf("%q is not a method; want one in upper case, such as GET", method)
	}

	// A URL, or the path of one.
	scheme, authority, target := "http", "example.com", url
	if before, rest, ok := strings.Cut(url, "://"); ok && !strings.HasPrefix(url, "/") {
		if before != "http" && before != "https" {
			return message.Message{}, fmt.Errorf("%s: want http:// or https://", url)
		}

		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}

		scheme, authority, target = before, rest[:end], rest[end:]
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}

	target, _, _ = strings.Cut(target, "#") // clients keep it to themselves
	if !strings.HasPrefix(target, "/") && target != "*" || authority == "" {
		return message.Message{}, fmt.Errorf("%s: want a URL such as https://shop.example.com/old?v=2, or a path", url)
	}

	// A header host stands for the URL's.
	list, err := ParseHeaders("--header", headers)
	if err != nil {
		return message.Message{}, err
	}

	for i := 0; i < len(list); i++ {
		if list[i].Name == "host" {
			authority = list[i].Value
			list = append(list[:i], list[i+1:]...)
			i--
		}
	}

	return Request(method, scheme, authority, target, list), nil
}

// ParseHeaders reads headers, each "name: value". flag says in an error where they were typed.
func ParseHeaders(flag string, lines []string) (list []message.Header, err error) {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%s %q: want 'name: value'", flag, line)
		}

		list = append(list, message.Header{Name: name, Value: strings.TrimSpace(value)})
	}
	return list, nil
}
