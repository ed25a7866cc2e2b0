// The workloads and what they answer, the same for both Go subjects.

package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const mebibyte = 1024 * 1024

func run(asked request) answer {
	switch asked.Workload {
	case "append", "queue":
		return produceForSeconds(asked)
	case "read":
		return read(asked)
	case "fill":
		_, result := fill(asked)
		return result
	case "open":
		return reopen(asked)
	}
	check(fmt.Errorf("no workload %q", asked.Workload))
	return answer{}
}

func produceForSeconds(asked request) answer {
	seconds := time.Duration(asked.Seconds * float64(time.Second))
	p := newProducers(mustOpen(asked), asked)
	from := time.Now().Add(seconds)
	nanos := p.run(window{from, from.Add(seconds), math.MaxUint64})
	result := answer{Records: uint64(len(nanos) * asked.BatchRecords), Seconds: asked.Seconds}
	if asked.Workload == "append" && len(nanos) > 0 {
		slices.Sort(nanos)
		at := func(quantile float64) float64 {
			rank := int(math.Ceil(float64(len(nanos)) * quantile))
			return float64(nanos[max(rank, 1)-1]) / 1000
		}
		result.LatencyMicros = &latencies{at(0.5), at(0.99), at(0.999)}
	}
	return result
}

// fill writes what was asked for, and closes nothing.
func fill(asked request) (subject, answer) {
	batchBytes := asked.BatchRecords * asked.RecordBytes
	batches := uint64((asked.Bytes + batchBytes - 1) / batchBytes)
	s := mustOpen(asked)
	p := newProducers(s, asked)
	from := time.Now()
	p.run(window{from, from.Add(24 * time.Hour), batches})
	return s, answer{Records: batches * uint64(asked.BatchRecords), Seconds: time.Since(from).Seconds()}
}

func reopen(asked request) answer {
	noise := newNoise(asked.RecordBytes)
	started := time.Now()
	s := mustOpen(asked)
	last, err := s.last()
	check(err)
	check(s.append(last+1, []batch{{records: 1, noise: noise, recordBytes: asked.RecordBytes}}))
	seconds := time.Since(started).Seconds()
	seen := 0
	check(s.read(func([]byte) bool {
		seen++
		return seen < 2
	}))
	if seen < 2 {
		check(fmt.Errorf("nothing of what was filled is there"))
	}
	return answer{Records: 1, Seconds: seconds}
}

func read(asked request) answer {
	writing := asked
	writing.Durability = "os"
	writing.BatchRecords = max(mebibyte/asked.RecordBytes, 1)
	writing.InFlight = 1
	s, written := fill(writing)
	check(syncFiles(asked.Directory))
	readFor(s, asked, asked.Seconds/4, 0)
	records, seconds := readFor(s, asked, asked.Seconds, written.Records)
	return answer{Records: records, Seconds: seconds}
}

var firstBytes uint64

func readFor(s subject, asked request, limit float64, atLeast uint64) (uint64, float64) {
	started := time.Now()
	records := uint64(0)
	for records < atLeast || time.Since(started).Seconds() < limit {
		before, isWhole := records, true
		check(s.read(func(value []byte) bool {
			isWhole = isWhole && len(value) == asked.RecordBytes
			firstBytes += uint64(value[0])
			records++
			// The clock is not looked at for every record.
			return isWhole && (records%256 != 0 || records < atLeast || time.Since(started).Seconds() < limit)
		}))
		if !isWhole || records == before || (before == 0 && records < atLeast) {
			check(fmt.Errorf("%d of %d records could be read", records, atLeast))
		}
	}
	return records, time.Since(started).Seconds()
}

func mustOpen(asked request) subject {
	s, err := open(asked)
	check(err)
	return s
}

// syncFiles is there so that what was written does not go to the disk while it is read.
func syncFiles(directory string) error {
	return filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		return file.Sync()
	})
}
