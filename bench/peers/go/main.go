// The order flow in Go: `shop orders` and `shop payments` are the two services.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "up"})
	})
	service := map[string]func(context.Context, *http.ServeMux) error{"orders": orders, "payments": payments}[os.Args[1]]
	if err := service(ctx, mux); err != nil {
		log.Fatalf("%s did not start: %v", os.Args[1], err)
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: mux, IdleTimeout: 2 * time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

// connections of one service: its database with these tables, and JetStream with the shop's stream.
func connections(ctx context.Context, schema string) (*pgxpool.Pool, jetstream.JetStream, error) {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err = pool.Exec(ctx, schema); err != nil {
		return nil, nil, err
	}
	connection, err := nats.Connect(os.Getenv("NATS_URL"))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		return nil, nil, err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "shop", Subjects: []string{"order.*", "payment.*"}})
	return pool, js, err
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// refuse says in one line what is wrong with a request.
func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"detail": why})
}
