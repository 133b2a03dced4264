package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	ordersTable = `CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, customer text NOT NULL, total bigint NOT NULL, currency text NOT NULL,
		status text NOT NULL DEFAULT 'pending', created_at timestamptz NOT NULL DEFAULT now(), confirmed_at timestamptz);`
	place = `WITH told AS (INSERT INTO outbox (subject, payload) VALUES ('order.created', $5))
		INSERT INTO orders (id, customer, total, currency) VALUES ($1, $2, $3, $4)`
	confirm = `WITH confirmed AS (UPDATE orders SET status = 'confirmed', confirmed_at = clock_timestamp()
		WHERE id = $1 AND status = 'pending' RETURNING id)
		INSERT INTO outbox (subject, payload) SELECT 'order.confirmed', $2 FROM confirmed`
)

type item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type placeOrder struct {
	Items    []item `json:"items"`
	Currency string `json:"currency"`
}

type created struct {
	OrderID  uuid.UUID `json:"order_id"`
	UserID   string    `json:"user_id"`
	Total    int64     `json:"total"`
	Currency string    `json:"currency"`
}

type confirmed struct {
	OrderID uuid.UUID `json:"order_id"`
}

type orderView struct {
	ID       uuid.UUID `json:"id"`
	Status   string    `json:"status"`
	Total    int64     `json:"total"`
	Currency string    `json:"currency"`
	Items    []item    `json:"items"`
}

type ordersService struct {
	pool   *pgxpool.Pool
	tokens *tokens
	relay  *relay
	http   *http.Client
	prices map[string]int64
}

func orders(ctx context.Context, mux *http.ServeMux) error {
	pool, js, err := connections(ctx, ordersTable+outboxTable)
	if err != nil {
		return err
	}
	tokens, err := newTokens()
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 128, IdleConnTimeout: 90 * time.Second}
	s := &ordersService{pool, tokens, startRelay(ctx, "orders", pool, js), &http.Client{Transport: transport, Timeout: 2 * time.Second}, prices()}
	mux.HandleFunc("POST /orders", s.place)
	mux.HandleFunc("POST /quote", s.quote)
	return consume(ctx, js, "payment.captured", "orders", s.confirm)
}

func prices() map[string]int64 {
	found := map[string]int64{}
	for at, letter := range "ABCDEFGHIJ" {
		for digit := int64(1); digit < 10; digit++ {
			found[fmt.Sprintf("%c%d", letter, digit)] = 100*int64(at+1)*digit - 1
		}
	}
	return found
}

// asked reads and checks a request; the total is in minor units. false: it was refused.
func (s *ordersService) asked(w http.ResponseWriter, r *http.Request) (order placeOrder, total int64, customer string, ok bool) {
	if customer = s.tokens.customer(r); customer == "" {
		refuse(w, http.StatusUnauthorized, "the token is not valid")
		return
	}
	order.Currency = "EUR"
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 100_000))
	if err := decoder.Decode(&order); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if len(order.Items) == 0 || len(order.Items) > 100 {
		refuse(w, http.StatusUnprocessableEntity, "1 to 100 items are allowed")
		return
	}
	for _, one := range order.Items {
		price, known := s.prices[one.SKU]
		if !known || one.Quantity < 1 || one.Quantity > 1000 {
			refuse(w, http.StatusUnprocessableEntity, fmt.Sprintf("there is no article %q, or its quantity is not 1 to 1000", one.SKU))
			return
		}
		total += price * one.Quantity
	}
	return order, total, customer, true
}

func (s *ordersService) place(w http.ResponseWriter, r *http.Request) {
	order, total, customer, ok := s.asked(w, r)
	if !ok {
		return
	}
	id := uuid.New()
	event, err := json.Marshal(created{id, customer, total, order.Currency})
	if err == nil {
		_, err = s.pool.Exec(r.Context(), place, id, customer, total, order.Currency, event)
	}
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the order was not stored")
		return
	}
	s.relay.told()
	answer(w, http.StatusCreated, orderView{id, "pending", total, order.Currency, order.Items})
}

func (s *ordersService) quote(w http.ResponseWriter, r *http.Request) {
	order, total, _, ok := s.asked(w, r)
	if !ok {
		return
	}
	accepted, err := s.charge(r.Context(), chargeRequest{OrderID: uuid.New(), Amount: total, Currency: order.Currency})
	if err != nil {
		refuse(w, http.StatusBadGateway, "payments did not answer")
		return
	}
	answer(w, http.StatusOK, map[string]any{"total": total, "currency": order.Currency, "accepted": accepted})
}

func (s *ordersService) charge(ctx context.Context, asked chargeRequest) (bool, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return false, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("PAYMENTS_URL")+"/charge", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := s.http.Do(request)
	if err != nil {
		return false, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, reply.Body)
		return false, fmt.Errorf("payments answered %s", reply.Status)
	}
	var said charge
	err = json.NewDecoder(reply.Body).Decode(&said)
	return said.Accepted, err
}

func (s *ordersService) confirm(ctx context.Context, body []byte) error {
	var event captured
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	told, err := json.Marshal(confirmed{event.OrderID})
	if err != nil {
		return err
	}
	if _, err = s.pool.Exec(ctx, confirm, event.OrderID, told); err == nil {
		s.relay.told()
	}
	return err
}
