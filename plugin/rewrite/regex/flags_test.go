package regex_test

import "flag"

var (
	seed   = flag.Int("seed", 1, "of the regexes that chance makes")
	rounds = flag.Int("rounds", 20_000, "how many of them")
)
