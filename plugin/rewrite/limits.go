package rewrite

import "strconv"

// What a configuration may cost. MaxConfig and MaxPatterns bound what is
// written; these bound what it grows to.
const (
	// MaxErrors is how many faults are listed; of the others their number is told.
	MaxErrors = 100

	maxFaults     = 1000      // faults that are collected
	maxInserted   = 2 << 20   // bytes of all vars and ${config} put in
	maxOperations = 16 << 10  // header operations and query edits together
	maxBlock      = 512       // of them in one block: a request takes all of it
	maxPrograms   = 256 << 10 // instructions of all compiled regexes
)

// limits is what a configuration has used up of them.
type limits struct {
	inserted, operations, programs int
	passed                         bool // one of them is passed: nothing more is looked at
}

// insert takes what a value that is put in needs, and gives the reason why it is
// not put in. The reason is given once.
func (c *compiler) insert(n int) (reason string, ok bool) {
	if c.passed {
		return "", false
	}
	if c.inserted += n; c.inserted <= maxInserted {
		return "", true
	}
	return c.pass("with vars and ${config} put in, the texts so far have more than " + strconv.Itoa(maxInserted) +
		" bytes: use fewer references to long values"), false
}

// pass notes that a limit is passed.
func (c *compiler) pass(reason string) string {
	c.passed = true
	return reason
}

// counts takes what the operations of one block need, and reports too many.
func (c *compiler) counts(at *place, n int) bool {
	switch {
	case c.passed:
		return false
	case n > maxBlock:
		c.add(at, "", "has "+strconv.Itoa(n)+" operations and values, the limit is "+strconv.Itoa(maxBlock)+": a request takes all of them")
		return false
	}
	if c.operations += n; c.operations > maxOperations {
		c.add(at, "", c.pass("brings the header operations and query edits to more than "+strconv.Itoa(maxOperations)+": split them over several workloads"))
		return false
	}

	return true
}

// program takes what a compiled regex needs, and gives the reason for which it
// is refused, or "".
func (c *compiler) program(size int) string {
	if c.programs += size; c.programs <= maxPrograms {
		return ""
	}
	return c.pass("brings all regexes together to more than " + strconv.Itoa(maxPrograms) + " instructions: use smaller repeat counts, or prefix and exact")
}

// size is the number of operations and values.
func (h *HeaderEdits) size() int {
	return len(h.Copy) + len(h.Rename) + len(h.Remove) + len(h.Replace) + values(h.Set) + len(h.Overwrite) + len(h.Default) + values(h.Add)
}

func (q *QueryEdits) size() int {
	return len(q.Rename) + len(q.Remove) + len(q.Keep) + len(q.Replace) + values(q.Set) + len(q.Overwrite) + len(q.Default) + values(q.Add)
}

func values(of map[string]Strings) (n int) {
	for _, list := range of {
		n += len(list)
	}
	return n
}
