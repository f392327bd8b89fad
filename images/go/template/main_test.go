package main

import "testing"

func TestGreet(t *testing.T) {
	if got := greet("you"); got != "Hello, you!" {
		t.Errorf("greet: %q", got)
	}
}
