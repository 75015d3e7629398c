// SPDX-License-Identifier: BSD-2-Clause

// gvisor [-s SIZE] [-n STREAMS] [-m MTU] MODE SECONDS: gVisor's netstack, two
// stacks in this process over its pipe link (no checksum offload), driven by its
// own blocking adapter. Modes and figures as in program.c; idle: bytes of heap
// an idle established endpoint.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

var (
	size    = flag.Int("s", 1, "bytes of a request")
	streams = flag.Int("n", 1, "streams at once")
	mtu     = flag.Int("m", 1500, "MTU")
	to      = tcpip.FullAddress{NIC: 1, Addr: "\x0a\x00\x00\x02", Port: 7}
)

func must(err interface{}) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func host(link stack.LinkEndpoint, number byte) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		must(err.String())
	}
	if err := s.CreateNIC(1, link); err != nil {
		must(err.String())
	}
	at := tcpip.AddressWithPrefix{Address: tcpip.Address([]byte{10, 0, 0, number}), PrefixLen: 24}
	if err := s.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber,
		AddressWithPrefix: at}, stack.AddressProperties{}); err != nil {
		must(err.String())
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	return s
}

func dial(s *stack.Stack) *gonet.TCPConn {
	c, err := gonet.DialTCP(s, to, ipv4.ProtocolNumber)
	must(err)
	return c
}

// serve answers each SIZE bytes with as many, or only reads.
func serve(l *gonet.TCPListener, bulk bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if bulk {
				buf := make([]byte, 1<<18)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			}
			buf := make([]byte, *size)
			for {
				if _, err := io.ReadFull(c, buf); err != nil {
					return
				}
				if _, err := c.Write(buf); err != nil {
					return
				}
			}
		}()
	}
}

func turn(c *gonet.TCPConn, buf []byte) {
	_, err := c.Write(buf)
	must(err)
	_, err = io.ReadFull(c, buf)
	must(err)
}

func percentiles(took []time.Duration) {
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	at := func(share float64) float64 {
		return float64(took[int(float64(len(took))*share)].Nanoseconds()) / 1e3
	}
	fmt.Printf(" p50=%.3f p99=%.3f p999=%.3f\n", at(0.5), at(0.99), at(0.999))
}

func rr(a *stack.Stack, end time.Time) {
	c, buf := dial(a), make([]byte, *size)
	begin, took := time.Now(), []time.Duration(nil)
	for time.Now().Before(end) {
		one := time.Now()
		turn(c, buf)
		took = append(took, time.Since(one))
	}
	fmt.Printf("%.3f", float64(time.Since(begin).Microseconds())/float64(len(took)))
	percentiles(took)
}

func crr(a *stack.Stack, end time.Time) {
	buf := make([]byte, *size)
	begin, took := time.Now(), []time.Duration(nil)
	for time.Now().Before(end) {
		one := time.Now()
		c := dial(a)
		turn(c, buf)
		c.Close()
		took = append(took, time.Since(one))
	}
	fmt.Printf("%.3f", float64(len(took))/time.Since(begin).Seconds()/1e3)
	percentiles(took)
}

// bulk counts what the other end has read: it closes when it has all.
func bulk(a *stack.Stack, end time.Time) {
	done := make(chan int)
	begin := time.Now()
	for i := 0; i < *streams; i++ {
		go func() {
			c, buf, bytes := dial(a), make([]byte, 65536), 0
			for time.Now().Before(end) {
				n, err := c.Write(buf)
				must(err)
				bytes += n
			}
			must(c.CloseWrite())
			if _, err := c.Read(buf); err != io.EOF {
				must("the stream did not end")
			}
			done <- bytes
		}()
	}
	bytes := 0
	for i := 0; i < *streams; i++ {
		bytes += <-done
	}
	fmt.Printf("%.3f\n", float64(bytes)*8/time.Since(begin).Seconds()/1e9)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// idle: both ends without a goroutine that reads, after a byte each way.
func idle(a *stack.Stack, l *gonet.TCPListener) {
	const n = 5000
	kept, buf := make([]io.Closer, 0, 2*n), make([]byte, 1)
	pair := func() {
		c := dial(a)
		s, err := l.Accept()
		must(err)
		_, err = c.Write(buf)
		must(err)
		_, err = io.ReadFull(s, buf)
		must(err)
		_, err = s.Write(buf)
		must(err)
		_, err = io.ReadFull(c, buf)
		must(err)
		kept = append(kept, c, s)
	}
	for i := 0; i < 100; i++ {
		pair()
	}
	time.Sleep(100 * time.Millisecond)
	before := heap()
	for i := 0; i < n; i++ {
		pair()
	}
	time.Sleep(500 * time.Millisecond) // delayed ACKs go out, their timers end
	fmt.Printf("%.0f\n", float64(heap()-before)/(2*n))
	runtime.KeepAlive(kept)
}

func main() {
	flag.Parse()
	if flag.NArg() != 2 {
		must("usage: gvisor [-s SIZE] [-n STREAMS] [-m MTU] rr|bulk|crr|idle SECONDS")
	}
	mode := flag.Arg(0)
	seconds, err := strconv.ParseFloat(flag.Arg(1), 64)
	must(err)
	x, y := pipe.New("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", uint32(*mtu))
	a, b := host(x, 1), host(y, 2)
	l, err := gonet.ListenTCP(b, to, ipv4.ProtocolNumber)
	must(err)
	end := time.Now().Add(time.Duration(seconds * 1e9))
	if mode == "idle" {
		idle(a, l)
		return
	}
	go serve(l, mode == "bulk")
	switch mode {
	case "rr":
		rr(a, end)
	case "crr":
		crr(a, end)
	default:
		bulk(a, end)
	}
}
