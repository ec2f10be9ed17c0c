package rewrite

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// IPv6 addresses are read as by net/netip, without zones.
func TestIPv6(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{":", "::", "0", "1", "ffff", "00ab", "12345", "192.0.2.1", "255", ".", "256", "01", "g", "a.b"}

	valid := 0
	for range 30_000 {
		text := ""
		for range random.IntN(18) {
			if text != "" && random.IntN(3) > 0 {
				text += ":"
			}

			text += parts[random.IntN(len(parts))]
		}

		addr, err := netip.ParseAddr(text)
		want := err == nil && addr.Is6() && addr.Zone() == ""
		if want {
			valid++
		}
		if got := validIPv6(text); got != want {
			t.Fatalf("%q is an address: %t, want %t", text, got, want)
		}
	}
	if valid < 30 {
		t.Errorf("only %d of the texts are addresses", valid)
	}
}
