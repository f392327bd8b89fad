// {{project}}: what F5 and `run` start.  Change it and press F5 again.
package main

import "fmt"

func greet(name string) string {
	return fmt.Sprintf("Hello, %s!", name)
}

func main() {
	fmt.Println(greet("{{project}}"))
}
