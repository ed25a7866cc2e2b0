// franz-go against a broker: PROGRAM HOST:PORT. Prints a line for each thing that it has seen to work and exits with 1
// at the first that does not.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topic      = "round-trip"
	partitions = 3
	records    = 5000
	timeout    = 60 * time.Second
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func main() {
	broker := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), 3*timeout)
	defer cancel()
	client := newClient(broker)
	admin := kadm.NewClient(client)

	makeTopic(ctx, admin)
	for codec := range codecs {
		produce(ctx, broker, codec)
	}
	consume(ctx, broker)
	refused(ctx, broker, client)
	share(ctx, broker, admin)
	administer(ctx, broker, admin)
	if hasTransactions(ctx, client) {
		transact(ctx, broker, admin)
	} else {
		fmt.Println("skipped: transactions, which the broker does not advertise")
	}
	client.Close()
}

func newClient(broker string, options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(broker)}, options...)...)
	must(err, "a client")
	return client
}

func hasTransactions(ctx context.Context, client *kgo.Client) bool {
	response, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	must(err, "the broker tells its APIs")
	for _, api := range response.ApiKeys {
		if kmsg.Key(api.ApiKey) == kmsg.AddPartitionsToTxn {
			return true
		}
	}
	return false
}

// check prints what holds, unless it has no name, and ends the program if it does not.
func check(holds bool, format string, arguments ...any) {
	if !holds {
		fmt.Printf("not ok: "+format+"\n", arguments...)
		os.Exit(1)
	}
	fmt.Printf("ok: "+format+"\n", arguments...)
}

func must(err error, what string) {
	if err != nil {
		fmt.Printf("not ok: %s: %v\n", what, err)
		os.Exit(1)
	}
}
