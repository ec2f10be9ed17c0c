package rewrite

// What a pass may take, for tests.
const (
	MaxMade = maxArena + 4*maxTarget
	MaxHeld = KeptAtMost
)

// Made is how many bytes of text the last pass made.
func (t *Stream) Made() int { return len(t.scratch.arena) }

// Held is how many bytes the stream keeps for its response.
func (t *Stream) Held() int { return len(t.kept) }

// HeldByAll is how many bytes all streams of its Scratch keep beyond their own.
func (t *Stream) HeldByAll() int { return t.scratch.held }

// Steps is what the last pass left of the budget; a little below zero where it is
// used up.
func (t *Stream) Steps() int { return t.scratch.steps }
