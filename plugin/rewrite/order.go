package rewrite

// ordered gives the numbers from 0 to n in the order of what they stand for; what is equal stays as it was. It is one
// function for all lists: each that slices sorts brings a copy of its own into the module, of several KiB.
func ordered(n int, less func(a, b int) bool) []int {
	list, merged := make([]int, n), make([]int, n)
	for i := range list {
		list[i] = i
	}

	for width := 1; width < n; width *= 2 {
		for from := 0; from < n; from += 2 * width {
			merge(merged[from:min(from+2*width, n)], list[from:min(from+width, n)], list[min(from+width, n):min(from+2*width, n)], less)
		}

		list, merged = merged, list
	}

	return list
}

// merge puts two ordered lists together.
func merge(to, a, b []int, less func(a, b int) bool) {
	for i := range to {
		if len(b) == 0 || len(a) > 0 && !less(b[0], a[0]) {
			to[i], a = a[0], a[1:]
		} else {
			to[i], b = b[0], b[1:]
		}
	}
}

// sorted gives texts in the order of their bytes.
func sorted(list []string) []string {
	out := make([]string, 0, len(list))
	for _, i := range ordered(len(list), func(a, b int) bool { return list[a] < list[b] }) {
		out = append(out, list[i])
	}

	return out
}

// sortedKeys gives the keys of a map in the order of their bytes.
func sortedKeys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for key := range m {
		list = append(list, key)
	}

	return sorted(list)
}
