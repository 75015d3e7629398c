// SPDX-License-Identifier: BSD-2-Clause

// An HTTP server and its client in one binary: "server PORT", "client URL".
// The client sends 20 requests at once, half of them with a body of 1 MB that
// the server sends back.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serve(port string) {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
			return
		}
		fmt.Fprintf(w, "%s from Go\n", r.URL.Path)
	})
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fail(err)
	}
	fmt.Println("listen ok")
	fail(http.Serve(l, nil))
}

func ask(url string, i int) error {
	want := []byte(fmt.Sprintf("/%d from Go\n", i))
	r, err := http.Get(fmt.Sprintf("%s/%d", url, i))
	if i%2 == 1 {
		want = bytes.Repeat([]byte{byte(i)}, 1<<20)
		r, err = http.Post(url, "application/octet-stream", bytes.NewReader(want))
	}
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("request %d: %d bytes, wrong", i, len(got))
	}
	return err
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "server" {
		serve(os.Args[2])
	}
	url := strings.TrimSuffix(os.Args[2], "/")
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			if err := ask(url, i); err != nil {
				fail(err)
			}
		}(i)
	}
	all.Wait()
	fmt.Println("20 answers right")
}
