package rewrite

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlnum(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isUnreserved tells the bytes that never need an escape in a URI (RFC 3986, 2.3).
func isUnreserved(c byte) bool {
	return isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

// isPathByte tells the bytes that a path may hold without an escape (RFC 3986,
// 3.3), but for the semicolon, which servers read as the start of a parameter,
// and the slash: a value from elsewhere is one segment.
func isPathByte(c byte) bool {
	if isUnreserved(c) {
		return true
	}

	switch c {
	case '!', '$', '&', '\'', '(', ')', '*', '+', ',', '=', ':', '@':
		return true
	}
	return false
}

// isToken reports whether s is a token, the grammar of methods and header names
// (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) {
			switch c {
			case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
			default:
				return false
			}
		}
	}
	return s != ""
}

// hexValue gives a hexadecimal digit's value, or -1.
func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// escapeAt gives the byte that a percent escape at s[i] stands for, or a
// negative number where there is none or an invalid one.
func escapeAt(s string, i int) int {
	if i+2 >= len(s) || s[i] != '%' {
		return -1
	}
	// Where either is not a digit its -1 makes the whole negative.
	return hexValue(s[i+1])<<4 | hexValue(s[i+2])
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// equalFold compares without regard to the case of ASCII letters.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}

	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// isUpper reports whether s has no lower-case ASCII letter.
func isUpper(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'a' && s[i] <= 'z' {
			return false
		}
	}
	return true
}
