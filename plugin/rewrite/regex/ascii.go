package regex

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// isWord reports whether a byte is part of a word, for \b.
func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// equalFold compares a text with one in lower case.
func equalFold(s, low string) bool {
	for i := 0; i < len(low); i++ {
		if lower(s[i]) != low[i] {
			return false
		}
	}
	return true
}
