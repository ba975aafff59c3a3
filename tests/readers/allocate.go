// go run allocate.go FILE: a heap profile of a program that allocates by recursion, in closures, in
// a goroutine, in functions small enough to be inlined, and with Unicode in the names.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
)

type tree struct {
	left, right *tree
	payload     []byte
}

var kept []any

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{grow(depth - 1), grow(depth - 1), make([]byte, 64*depth)}
}

func node(payload []byte) *tree { return &tree{payload: payload} }

func größe(count int) (all []*tree) {
	for i := 0; i < count; i++ {
		all = append(all, node(make([]byte, 100)))
	}
	return all
}

func adder(prefix string) func(int) string {
	return func(count int) string { return prefix + strings.Repeat("x", count) }
}

func garbage(rounds int) (length int) {
	for i := 0; i < rounds; i++ {
		var buffer bytes.Buffer
		for j := 0; j < 100; j++ {
			fmt.Fprintf(&buffer, "%d/%d ", i, j)
		}
		length += buffer.Len()
	}
	return length
}

func main() {
	runtime.MemProfileRate = 4096
	kept = append(kept, grow(12), größe(5000))
	add := adder("kept by a closure: ")
	for i := 0; i < 2000; i++ {
		kept = append(kept, add(i%300))
	}
	index := map[string]*tree{}
	for i := 0; i < 3000; i++ {
		index[fmt.Sprint("key ", i)] = grow(2)
	}
	kept = append(kept, index)
	done := make(chan int)
	go func() { done <- garbage(2000) }()
	<-done

	runtime.GC() // heap profiles are as of the last collection
	file, err := os.Create(os.Args[1])
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(file, 0)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	runtime.KeepAlive(kept)
}
