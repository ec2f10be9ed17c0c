package rewrite

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// Numbers are read and written as strconv does it, as far as fifteen digits.
func TestDecimals(t *testing.T) {
	texts := []string{"0", "-0", "1", "-1", "10", "100", "3e+06", "3000000", "308.0", "1e2", "0.1", "0.001", "1.50", "-2.5E-3", "0.000", "0e5", "12.5e1",
		"999999999", "1000000000", "-999999999", "1e9", "1e-9", "0.30000000000000004e1", "123456789012345", "5e-7", "1e22", "1e300", "99.9999", "100.0001"}

	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := strconv.FormatInt(random.Int64N(1e12), 10) + "." + strconv.FormatInt(random.Int64N(1000), 10)
		texts = append(texts, text, text+"e"+strconv.Itoa(random.IntN(20)-10))
	}

	for _, text := range texts {
		f, _ := strconv.ParseFloat(text, 64)
		d := readDecimal(text)

		if got, ok := d.plain(); !ok || got != strconv.FormatFloat(f, 'f', -1, 64) && len(d.digits) <= 15 {
			t.Errorf("%s is written %s, %v", text, got, ok)
		}

		if got := d.float(); math.Abs(got-f) > math.Abs(f)*1e-14 || len(d.digits) <= 15 && math.Abs(float64(d.point)) < 15 && got != f {
			t.Errorf("%s is read as %v", text, got)
		}

		n, ok := d.whole()
		if want := f == math.Trunc(f) && math.Abs(f) < 1e9; ok != want || want && n != int(f) {
			t.Errorf("%s is the whole number %d, %v", text, n, ok)
		}
	}
}

// What would be too long to be written out stays as it is, and costs nothing.
func TestHugeDecimals(t *testing.T) {
	for _, text := range []string{"1e309", "1e-400", "1e999999999999", "-1e-999999999999", "1" + strings.Repeat("0", 400)} {
		if got := plainNumber(text); got != text {
			t.Errorf("%.20s becomes %.20s", text, got)
		}
	}

	big, small := readDecimal("1e999999"), readDecimal("1e-999999")
	if _, ok := big.whole(); ok || big.float() < 1e300 || small.float() > 1e-300 {
		t.Errorf("1e999999 is %v, 1e-999999 is %v", big.float(), small.float())
	}
}

func TestDigitsOf(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "7": 7, "418": 418, "999999999": 999999999, "": -1, "1000000000": -1, "a": -1, "-1": -1, "1x": -1} {
		if n, ok := digitsOf(text); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q is %d, %v", text, n, ok)
		}
	}
}
