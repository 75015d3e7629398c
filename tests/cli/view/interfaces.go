// SPDX-License-Identifier: BSD-2-Clause
package main

import (
	"fmt"
	"net"
)

func main() {
	list, err := net.Interfaces()
	if err != nil {
		panic(err)
	}
	for _, i := range list {
		a, _ := i.Addrs()
		fmt.Println(i.Index, i.Name, i.MTU, i.Flags&net.FlagUp != 0, a)
	}
	_, err = net.Dial("tcp", "nosuch.example:80")
	fmt.Println(err)
}
