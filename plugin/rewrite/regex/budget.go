package regex

// What work costs in steps. One is what an instruction takes in the compiled
// module, some 4 ns. Walks that do nothing else take less a byte.
const (
	perStep  = 1
	scanned  = 2 // bytes of a text looked through, as a power of two a step
	compared = 3 // bytes compared
	cleared  = 3 // words cleared
	search   = 8 // what each search costs at least
)
