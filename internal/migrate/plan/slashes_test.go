package plan

import "testing"

func TestEachSlashTakesSeveral(t *testing.T) {
	for regex, want := range map[string]string{
		`^/api/(?:a/b|c)`:   `^/+api/+(?:a/+b|c)`,
		`^\/a\.\\/b`:        `^/+a\.\\/+b`,
		`/?a/*b/+c/{2}d/`:   `/*a/*b/+c/{2}d/+`,
		`[^/]+/[]/]x[a\]/]`: `[^/]+/+[]/]x[a\]/]`,
		`[/`:                `[/`,
		``:                  ``,
	} {
		if got := AnySlashes(regex); got != want {
			t.Errorf("%s: got %s, want %s", regex, got, want)
		}
	}
}
