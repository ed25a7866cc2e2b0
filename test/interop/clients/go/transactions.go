package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	source = "transactions-in"
	target = "transactions-out"
)

func transact(ctx context.Context, broker string, admin *kadm.Client) {
	_, err := admin.CreateTopics(ctx, partitions, 1, nil, source, target)
	must(err, "topics for transactions")
	endEither(ctx, broker)
	fence(ctx, broker)
	transform(ctx, broker)
	_, err = admin.DeleteTopics(ctx, source, target)
	must(err, "topics are deleted")
}

// endEither commits one transaction and aborts another.
func endEither(ctx context.Context, broker string) {
	client := newClient(broker, kgo.TransactionalID("either"), kgo.DefaultProduceTopic(source))
	for _, one := range []struct {
		name string
		how  kgo.TransactionEndTry
	}{{"first", kgo.TryCommit}, {"aborted", kgo.TryAbort}, {"second", kgo.TryCommit}} {
		must(client.BeginTransaction(), "a transaction begins")
		for n := range 100 {
			value := fmt.Appendf(nil, "%s %d", one.name, n)
			must(client.ProduceSync(ctx, kgo.KeySliceRecord(value, value)).FirstErr(), "produced in a transaction")
		}
		must(client.EndTransaction(ctx, one.how), "a transaction ends")
	}
	client.Close()
	committed := readAll(ctx, broker, source, kgo.ReadCommitted(), 200)
	for _, value := range committed {
		must(unless(!strings.HasPrefix(value, "aborted"), value), "only what was committed")
	}
	check(len(committed) == 200, "read_committed sees two transactions that were committed and not the one that was aborted")
	check(len(readAll(ctx, broker, source, kgo.ReadUncommitted(), 300)) == 300, "read_uncommitted sees all three")
}

// readAll reads a topic until there has been nothing more for a while.
func readAll(ctx context.Context, broker, topic string, level kgo.IsolationLevel, wanted int) []string {
	client := newClient(broker, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(level), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	var values []string
	for {
		patience := timeout
		if len(values) >= wanted {
			patience = 500 * time.Millisecond
		}
		waiting, cancel := context.WithTimeout(ctx, patience)
		fetches := client.PollFetches(waiting)
		cancel()
		if errors.Is(fetches.Err(), context.DeadlineExceeded) {
			return values
		}
		must(fetches.Err(), "polled")
		for _, record := range fetches.Records() {
			values = append(values, string(record.Value))
		}
	}
}

// fence has a second producer take over the transactional id of a first one that is in the middle of its work.
func fence(ctx context.Context, broker string) {
	older := newClient(broker, kgo.TransactionalID("fenced"), kgo.DefaultProduceTopic(source))
	must(older.BeginTransaction(), "a transaction begins")
	must(older.ProduceSync(ctx, kgo.StringRecord("from the older")).FirstErr(), "produced in a transaction")
	newer := newClient(broker, kgo.TransactionalID("fenced"), kgo.DefaultProduceTopic(source))
	must(newer.BeginTransaction(), "a transaction begins")
	must(newer.ProduceSync(ctx, kgo.StringRecord("from the newer")).FirstErr(), "produced in a transaction")
	err := older.ProduceSync(ctx, kgo.StringRecord("from the older")).FirstErr()
	if err == nil {
		err = older.EndTransaction(ctx, kgo.TryCommit)
	}
	check(errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch), "the older of two producers is fenced: %v", err)
	must(newer.EndTransaction(ctx, kgo.TryCommit), "a transaction ends")
	older.Close()
	newer.Close()
	check(len(readAll(ctx, broker, source, kgo.ReadCommitted(), 201)) == 201, "and nothing of it is seen")
}

// transform consumes, produces and commits in transactions, and dies again and again in the middle of one: each record
// comes out once.
func transform(ctx context.Context, broker string) {
	const lives = 5
	for life := range lives {
		live(ctx, broker, life+1, life < lives-1)
	}
	seen := map[string]int{}
	for _, value := range readAll(ctx, broker, target, kgo.ReadCommitted(), 201) {
		seen[value]++
	}
	for value, count := range seen {
		must(unless(count == 1, value), "each record once")
	}
	check(len(seen) == 201, "consumed, transformed, produced: %d records of 201, each once, though it was broken off four times", len(seen))
}

// live works through so many transactions and breaks off in the next one, or works until there is nothing more to do.
func live(ctx context.Context, broker string, transactions int, breaksOff bool) {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(broker), kgo.TransactionalID("transform"), kgo.ConsumerGroup("transform"), kgo.ConsumeTopics(source),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RequireStableFetchOffsets(), kgo.FetchMaxPartitionBytes(1024),
	)
	must(err, "a session of transactions")
	defer session.Client().CloseAllowingRebalance()
	for turn := 0; ; turn++ {
		waiting, cancel := context.WithTimeout(ctx, 3*time.Second)
		fetches := session.PollFetches(waiting)
		cancel()
		if errors.Is(fetches.Err(), context.DeadlineExceeded) {
			return
		}
		must(fetches.Err(), "polled")
		must(session.Begin(), "a transaction begins")
		for _, record := range fetches.Records() {
			session.Produce(ctx, &kgo.Record{Topic: target, Key: record.Key, Value: record.Value}, nil)
		}
		if breaksOff && turn == transactions {
			must(session.Client().Flush(ctx), "flushed")
			return
		}
		// Not committed when the group has just been shared anew: then it all comes again.
		_, err := session.End(ctx, kgo.TryCommit)
		must(err, "a transaction ends")
	}
}
