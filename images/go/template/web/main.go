// Command web is the web application that a deployment serves.  `web migrate` brings the
// database to the form that it expects, and ends.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	items, err := openStore(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 1 && os.Args[1] == "migrate" {
		err = items.migrate(context.Background())
	} else {
		err = serve(items)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Serve until SIGTERM or Ctrl-C, then finish what was begun.
func serve(items store) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	log.Printf("serving on http://0.0.0.0:%s/", port)
	// a proxy in front keeps its connections for a minute: ours must last longer
	server := &http.Server{Handler: routes(items), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	drained := make(chan error)
	go func() {
		<-stop.Done()
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained <- server.Shutdown(limit)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-drained
}
