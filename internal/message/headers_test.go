package message

import (
	"fmt"
	"slices"
	"testing"
)

func TestHeaderMap(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(m *HeaderMap)
		want []Header
	}{
		{"names are lower-cased, values are not", func(m *HeaderMap) { m.Add("X-Ä", "Ä\xff") }, []Header{{"x-Ä", "Ä\xff"}}},
		{"pseudo-headers come first", func(m *HeaderMap) { m.Add("a", "1"); m.Add(":path", "/"); m.Add("b", "2"); m.Add(":method", "GET") },
			[]Header{{":path", "/"}, {":method", "GET"}, {"a", "1"}, {"b", "2"}}},
		{"also after a removal", func(m *HeaderMap) { m.Add(":path", "/"); m.Add("a", "1"); m.Remove(":path"); m.Add(":path", "/b") },
			[]Header{{":path", "/b"}, {"a", "1"}}},
		{"host is :authority", func(m *HeaderMap) { m.Add("Host", "a"); m.Set("host", "b") }, []Header{{":authority", "b"}}},
		{"repeated headers stay apart", func(m *HeaderMap) { m.Add("x", "1"); m.Add("x", ""); m.Add("x", "2") }, []Header{{"x", "1"}, {"x", ""}, {"x", "2"}}},
		{"a slot has one entry", func(m *HeaderMap) { m.Add("accept", "1"); m.Add("x", ""); m.Add("accept", "2"); m.Add("accept", "") },
			[]Header{{"accept", "1,2"}, {"x", ""}}},
		{"an empty slot is filled", func(m *HeaderMap) { m.Add("accept", ""); m.Add("accept", "1") }, []Header{{"accept", "1"}}},
		{"set replaces all and moves to the end", func(m *HeaderMap) { m.Add("x", "1"); m.Add("x", "2"); m.Add("y", "1"); m.Set("X", "3") },
			[]Header{{"y", "1"}, {"x", "3"}}},
		{"remove removes all", func(m *HeaderMap) { m.Add("x", "1"); m.Add("y", "1"); m.Add("x", "2"); m.Remove("X") }, []Header{{"y", "1"}}},
		{"replace starts over", func(m *HeaderMap) { m.Add(":path", "/"); m.Replace([]Header{{"a", "1"}, {":path", "/b"}}) }, []Header{{":path", "/b"}, {"a", "1"}}},
	} {
		m := NewRequestHeaders()
		c.edit(m)
		if got := m.All(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func ExampleHeaderMap() {
	m := NewResponseHeaders(Header{":status", "200"}, Header{"Set-Cookie", "a=1"}, Header{"vary", "origin"})
	m.Add("set-cookie", "b=2")
	m.Add("vary", "accept")
	m.Set("server", "shop")

	for _, h := range m.All() {
		fmt.Println(h.Name, h.Value)
	}
	// Output:
	// :status 200
	// set-cookie a=1
	// vary origin,accept
	// set-cookie b=2
	// server shop
}
