package wait

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

var errNotYet = errors.New("not yet")

func TestEventually(t *testing.T) {
	t.Run("ends with the first success", func(t *testing.T) {
		asked := 0
		err := Eventually(t.Context(), time.Minute, func() error {
			if asked++; asked < 4 {
				return errNotYet
			}
			return nil
		})
		if err != nil || asked != 4 {
			t.Errorf("%v after %d looks, want none after 4", err, asked)
		}
	})
	t.Run("says what the condition said last, and for how long it was asked", func(t *testing.T) {
		err := Eventually(t.Context(), 20*time.Millisecond, func() error { return errNotYet })
		if !errors.Is(err, errNotYet) || !strings.Contains(err.Error(), "20ms") {
			t.Errorf("%v, want %v after 20ms", err, errNotYet)
		}
	})
	t.Run("asks once where there is no time at all", func(t *testing.T) {
		asked := 0
		_ = Eventually(t.Context(), 0, func() error { asked++; return nil })
		if asked != 1 {
			t.Errorf("%d looks, want 1", asked)
		}
	})
	t.Run("ends with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := Eventually(ctx, time.Hour, func() error { cancel(); return errNotYet })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errNotYet) {
			t.Errorf("%v, want that it was cancelled, and %v", err, errNotYet)
		}
	})
}

func TestConsistently(t *testing.T) {
	t.Run("asks more than once", func(t *testing.T) {
		asked := 0
		if err := Consistently(t.Context(), 120*time.Millisecond, func() error { asked++; return nil }); err != nil || asked < 2 {
			t.Errorf("%v after %d looks, want none after 2 or more", err, asked)
		}
	})
	t.Run("fails with the first failure", func(t *testing.T) {
		asked := 0
		err := Consistently(t.Context(), time.Minute, func() error {
			if asked++; asked == 2 {
				return errNotYet
			}
			return nil
		})
		if !errors.Is(err, errNotYet) || asked != 2 {
			t.Errorf("%v after %d looks, want %v after 2", err, asked, errNotYet)
		}
	})
}
