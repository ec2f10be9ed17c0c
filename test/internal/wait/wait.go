// Package wait waits for conditions: for one that will hold, and for one that has to go on holding.
package wait

import (
	"context"
	"fmt"
	"time"
)

// Between two looks at a condition there is a pause. It grows, so that what comes at once is seen at once, and what takes
// its time is left in peace.
const shortest, longest = 2 * time.Millisecond, 50 * time.Millisecond

// Eventually asks until a condition holds, no longer than limit or the context. The error has what the condition said last.
func Eventually(ctx context.Context, limit time.Duration, condition func() error) error {
	end := time.Now().Add(limit)

	for pause := shortest; ; pause = min(longest, pause*3/2) {
		last := condition()
		if last == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %s: %w", limit, last)
		}

		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		case <-time.After(pause):
		}
	}
}

// Consistently asks for a while, and wants a condition to hold each time.
func Consistently(ctx context.Context, span time.Duration, condition func() error) error {
	for began := time.Now(); time.Since(began) < span; {
		if err := condition(); err != nil {
			return fmt.Errorf("%s after it began: %w", time.Since(began).Round(time.Millisecond), err)
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(longest):
		}
	}

	return nil
}
