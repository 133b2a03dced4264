package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

const (
	limit         = 10_000_000 // minor units
	paymentsTable = `CREATE TABLE IF NOT EXISTS payments (id uuid PRIMARY KEY, order_id uuid NOT NULL UNIQUE, amount bigint NOT NULL,
		currency text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());`
	// A message that comes again adds neither a payment nor an event.
	capture = `WITH captured AS (INSERT INTO payments (id, order_id, amount, currency) VALUES ($1, $2, $3, $4)
		ON CONFLICT (order_id) DO NOTHING RETURNING order_id)
		INSERT INTO outbox (subject, payload) SELECT 'payment.captured', $5 FROM captured`
)

type chargeRequest struct {
	OrderID  uuid.UUID `json:"order_id"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
}

type charge struct {
	chargeRequest
	Accepted bool `json:"accepted"`
}

type captured struct {
	OrderID  uuid.UUID `json:"order_id"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
}

func payments(ctx context.Context, mux *http.ServeMux) error {
	pool, js, err := connections(ctx, paymentsTable+outboxTable)
	if err != nil {
		return err
	}
	relay := startRelay(ctx, "payments", pool, js)
	mux.HandleFunc("POST /charge", func(w http.ResponseWriter, r *http.Request) {
		var asked chargeRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 100_000)).Decode(&asked); err != nil || asked.Amount < 0 {
			refuse(w, http.StatusUnprocessableEntity, "an order_id, an amount of at least 0 and a currency are needed")
			return
		}
		answer(w, http.StatusOK, charge{asked, asked.Amount <= limit})
	})
	return consume(ctx, js, "order.created", "payments", func(ctx context.Context, body []byte) error {
		var event created
		if err := json.Unmarshal(body, &event); err != nil {
			return err
		}
		told, err := json.Marshal(captured{event.OrderID, event.Total, event.Currency})
		if err != nil {
			return err
		}
		if _, err = pool.Exec(ctx, capture, uuid.New(), event.OrderID, event.Total, event.Currency, told); err == nil {
			relay.told()
		}
		return err
	})
}
