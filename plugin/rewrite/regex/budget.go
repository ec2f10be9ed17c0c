package regex

// What work costs in steps. One is an instruction: 4 to 10 ns of CPU in the
// compiled module on V8, so that a million is at most some 10 ms. Walks that do
// nothing else take less a byte.
const (
	scanned  = 2 // bytes of a text looked through, as a power of two a step
	tested   = 1 // bytes held against a class, one after the other
	compared = 3 // bytes compared
	cleared  = 3 // words cleared
	begin    = 2 // what each place to begin at costs, beyond its instructions
	search   = 8 // what each search costs at least
)
