package main

import (
	"fmt"
	"os"

	"example.org/count/internal/words"
)

var version string

func main() {
	fmt.Println(version, os.Getuid(), words.Count("three small words"))
}
