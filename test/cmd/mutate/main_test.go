package main

import "testing"

// A line of the list that names no change lists nothing: the code that it spoke of was changed or went elsewhere.
func TestTheListOfSurvivorsNamesChangesThatExist(t *testing.T) {
	t.Chdir("../../..")

	const dir = "plugin/rewrite"
	known, err := readList(dir + "/testdata/survivors.txt")
	if err != nil {
		t.Fatal(err)
	}

	m, err := instrument(dir, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}

	for _, one := range m.mutants {
		delete(known, one.key)
	}

	for key := range known {
		t.Errorf("there is no such change: %s", key)
	}
}
