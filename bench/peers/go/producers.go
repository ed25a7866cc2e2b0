// Producers that append batch after batch, each waiting for its acknowledgement, and the group commit that neither Go
// subject has of its own: what has gathered while one group was appended is the next group, and all of it is answered together.

package main

import (
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// No user lets a transaction grow without a bound.
	groupBytesMax = 16 * mebibyte
	queueRecords  = 1000
	queueKept     = 100
	// A prime, so that a record's value is not that of its neighbour.
	noiseBytes = 1021
)

// A batch is records to append together. Their values are slices of noise, so that making them costs nothing.
type batch struct {
	partition   int
	records     int
	number      uint64
	noise       []byte
	recordBytes int
}

func (b *batch) value(n int) []byte {
	from := int((b.number*uint64(b.records) + uint64(n)) % noiseBytes)
	return b.noise[from : from+b.recordBytes]
}

func newNoise(recordBytes int) []byte {
	noise := make([]byte, recordBytes+noiseBytes)
	rand.New(rand.NewSource(1)).Read(noise)
	return noise
}

// What is acknowledged in a window is counted; producers stop at its end or after so many batches.
type window struct {
	from, to   time.Time
	batchesMax uint64
}

type waiting struct {
	batch    batch
	answered chan struct{}
}

// kept is what a queue keeps of its records: the indexes of the last ones, and from which on the log must have them.
type kept struct {
	indexes             [queueKept]uint64
	records, atDeletion uint64
	from                uint64
}

type producers struct {
	subject subject
	request request
	noise   []byte
	next    uint64
	batches atomic.Uint64
	waiting chan *waiting
	kept    []kept
	deleted uint64
}

func newProducers(s subject, asked request) *producers {
	last, err := s.last()
	check(err)
	p := &producers{subject: s, request: asked, noise: newNoise(asked.RecordBytes), next: last + 1}
	p.waiting = make(chan *waiting, asked.InFlight)
	if asked.Workload == "queue" {
		p.kept = make([]kept, asked.Partitions)
	}
	return p
}

// run answers the latency of every batch that was counted, in nanoseconds.
func (p *producers) run(w window) []int64 {
	nanos := make([][]int64, p.request.InFlight)
	var running sync.WaitGroup
	for n := range nanos {
		running.Go(func() { nanos[n] = p.produce(w) })
	}
	if p.request.InFlight > 1 {
		go p.commitGroups()
	}
	running.Wait()
	close(p.waiting)
	all := nanos[0]
	for _, more := range nanos[1:] {
		all = append(all, more...)
	}
	return all
}

func (p *producers) produce(w window) (nanos []int64) {
	own := &waiting{answered: make(chan struct{}, 1)}
	for {
		called := time.Now()
		if !called.Before(w.to) {
			return
		}
		number := p.batches.Add(1) - 1
		if number >= w.batchesMax {
			return
		}
		partition := int(number % uint64(p.request.Partitions))
		own.batch = batch{partition, p.request.BatchRecords, number, p.noise, p.request.RecordBytes}
		if p.request.InFlight == 1 {
			p.commit([]batch{own.batch}) // Nobody to share a group with.
		} else {
			p.waiting <- own
			<-own.answered
		}
		acknowledged := time.Now()
		if !acknowledged.Before(w.from) && !acknowledged.After(w.to) {
			nanos = append(nanos, int64(acknowledged.Sub(called)))
		}
	}
}

func (p *producers) commitGroups() {
	batchesMax := max(groupBytesMax/(p.request.BatchRecords*p.request.RecordBytes), 1)
	batchesMax = min(batchesMax, p.request.InFlight)
	var group []*waiting
	var batches []batch
	for first := range p.waiting {
		group, batches = append(group[:0], first), append(batches[:0], first.batch)
		// Those that were answered just now get their turn first, for as long as more of them come.
		for gathered := 0; gathered < len(group) && len(group) < batchesMax; {
			gathered = len(group)
			runtime.Gosched()
			for len(group) < batchesMax && len(p.waiting) > 0 {
				next := <-p.waiting
				group, batches = append(group, next), append(batches, next.batch)
			}
		}
		p.commit(batches)
		for _, one := range group {
			one.answered <- struct{}{}
		}
	}
}

func (p *producers) commit(batches []batch) {
	check(p.subject.append(p.next, batches))
	for _, b := range batches {
		if p.kept != nil {
			k := &p.kept[b.partition]
			for n := range uint64(b.records) {
				k.indexes[(k.records+n)%queueKept] = p.next + n
			}
			k.records += uint64(b.records)
		}
		p.next += uint64(b.records)
	}
	if p.kept != nil {
		p.deleteWhatIsDue(batches)
	}
}

// deleteWhatIsDue deletes what is before the oldest record that any partition keeps, as the log goes from its start only.
func (p *producers) deleteWhatIsDue(batches []batch) {
	isDue := false
	for _, b := range batches {
		if k := &p.kept[b.partition]; k.records-k.atDeletion >= queueRecords {
			k.atDeletion, k.from, isDue = k.records, k.indexes[k.records%queueKept], true
		}
	}
	if !isDue {
		return
	}
	from := p.kept[0].from
	for n := range p.kept {
		from = min(from, p.kept[n].from)
	}
	if from > p.deleted {
		check(p.subject.deleteBefore(from))
		p.deleted = from
	}
}
