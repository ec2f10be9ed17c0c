// Package regex finds regular expressions in texts that come from clients. The
// syntax is RE2's, as Go's regexp reads it, and so is what is found: the
// leftmost match, of several the one that comes first, and its groups. A fuzz
// test holds it to regexp.
//
// What regexp cannot give is a bound that the caller sets. Here every search
// takes its work from a number of steps that cost about the same, and stops
// where they are used up. A search allocates nothing: what it needs while it runs
// is kept in a [Machine], one for any number of regexes and searches.
//
// Left out are Unicode classes (\pL) and, where case is ignored, letters outside
// ASCII that have case, because both need tables larger than the whole package.
// Compile says so, and what to write instead.
//
// How it works: parse.go reads the expression into a tree, program.go writes the
// tree out as instructions, back to front, and machine.go runs them: it tries
// what comes first, and goes back where that fails. It never tries the same
// instruction at the same place of the text twice, so that a search takes at
// most as many steps as the program is long times the text is long. Most regexes
// that people write need no way back at all: where the next byte of the text
// decides which way to go, only that one is taken.
//
// What compiles is kept in small functions, none of them inlined: a proxy pays
// for the largest functions of a module (make size), and compiles rarely.
package regex
