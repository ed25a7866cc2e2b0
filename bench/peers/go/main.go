// The Go peers of the benchmark: takes one request, as JSON in the last argument, and prints one answer. The contract is
// ../README.md. What the subjects share is in workload.go and producers.go; a subject's file says how it reaches its durability.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

type request struct {
	Subject      string
	Workload     string
	Directory    string
	Durability   string
	RecordBytes  int
	BatchRecords int
	InFlight     int
	Partitions   int
	Seconds      float64
	Bytes        int
}

type latencies struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

type answer struct {
	Records       uint64     `json:"records"`
	Bytes         uint64     `json:"bytes"`
	Seconds       float64    `json:"seconds"`
	LatencyMicros *latencies `json:"latencyMicros,omitempty"`
	Version       string     `json:"version"`
}

// A subject is one log; the partitions share it, as neither library has several in one.
type subject interface {
	// last is the index of the last record, 0 if there is none.
	last() (uint64, error)
	// append returns when the batches, whose first record gets the index first, are as durable as was asked for.
	append(first uint64, batches []batch) error
	// deleteBefore deletes the records before index.
	deleteBefore(index uint64) error
	// read shows all values from the first to the last, until visit says false.
	read(visit func(value []byte) bool) error
}

var modules = map[string]string{
	"tidwall-wal": "github.com/tidwall/wal",
	"raft-wal":    "github.com/hashicorp/raft-wal",
}

func main() {
	asked := request{Durability: "disk", BatchRecords: 1, InFlight: 1, Partitions: 1}
	check(json.Unmarshal([]byte(os.Args[len(os.Args)-1]), &asked))
	module, isKnown := modules[asked.Subject]
	if !isKnown {
		check(fmt.Errorf("no subject %q", asked.Subject))
	}
	check(os.MkdirAll(asked.Directory, 0o755))
	result := run(asked)
	result.Bytes = result.Records * uint64(asked.RecordBytes)
	result.Version = versionOf(module)
	check(json.NewEncoder(os.Stdout).Encode(result))
	if asked.Workload == "fill" {
		check(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
}

func open(asked request) (subject, error) {
	if asked.Subject == "raft-wal" {
		return openRaftWAL(asked)
	}
	return openTidwallWAL(asked)
}

func versionOf(module string) string {
	if info, isThere := debug.ReadBuildInfo(); isThere {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "?"
}

// check ends the program at a failure: a benchmark has nothing to go on with.
func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
