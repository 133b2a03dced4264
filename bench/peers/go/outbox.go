package main

import (
	"context"
	"log"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	outboxTable  = `CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL, payload bytea NOT NULL);`
	relayEvery   = 50 * time.Millisecond // between two looks when nobody told of a row
	handlers     = 64
	acknowledged = 30 * time.Second // JetStream waits so long before it delivers again
)

// relay publishes what was committed to the outbox. There is one a service, so no row is locked.
type relay struct {
	name string
	pool *pgxpool.Pool
	js   jetstream.JetStream
	wake chan struct{}
}

func startRelay(ctx context.Context, name string, pool *pgxpool.Pool, js jetstream.JetStream) *relay {
	r := &relay{name, pool, js, make(chan struct{}, 1)}
	go r.run(ctx)
	return r
}

// told: a row was committed.
func (r *relay) told() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *relay) run(ctx context.Context) {
	for ctx.Err() == nil {
		published, err := r.batch(ctx)
		wait := relayEvery
		if err != nil {
			log.Printf("the relay failed and tries again: %v", err)
			wait = time.Second
		} else if published > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-time.After(wait):
		}
	}
}

type row struct {
	ID      int64
	Subject string
	Payload []byte
}

// batch publishes the oldest rows, waits until all are acknowledged, and deletes them.
func (r *relay) batch(ctx context.Context) (int, error) {
	found, err := r.pool.Query(ctx, "SELECT id, subject, payload FROM outbox ORDER BY id LIMIT 1000")
	if err != nil {
		return 0, err
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[row])
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	ids, futures := make([]int64, len(rows)), make([]jetstream.PubAckFuture, len(rows))
	for at, one := range rows {
		ids[at] = one.ID
		message := &nats.Msg{Subject: one.Subject, Data: one.Payload, Header: nats.Header{}}
		message.Header.Set(jetstream.MsgIDHeader, r.name+"-"+strconv.FormatInt(one.ID, 10))
		if futures[at], err = r.js.PublishMsgAsync(message); err != nil {
			return 0, err
		}
	}
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return 0, err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	_, err = r.pool.Exec(ctx, "DELETE FROM outbox WHERE id = ANY($1)", ids)
	return len(rows), err
}

// consume hands each message to handle, many at a time; it is acknowledged when that succeeded.
func consume(ctx context.Context, js jetstream.JetStream, subject, durable string, handle func(context.Context, []byte) error) error {
	consumer, err := js.CreateOrUpdateConsumer(ctx, "shop", jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: subject, AckPolicy: jetstream.AckExplicitPolicy, AckWait: acknowledged, MaxAckPending: 4096,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(512))
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, messages.Stop)
	for range handlers {
		go func() {
			for {
				message, err := messages.Next()
				if err != nil {
					return // it was stopped
				}
				if err := handle(ctx, message.Data()); err != nil {
					log.Printf("%s failed and is delivered again: %v", subject, err)
					_ = message.NakWithDelay(time.Second)
					continue
				}
				_ = message.Ack()
			}
		}()
	}
	return nil
}
