package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

const longestName = 100 // characters

//go:embed page.html
var pageText string
var page = template.Must(template.New("page").Parse(pageText))

type pageData struct {
	Names    []string
	Instance string
}

func routes(items store) http.Handler {
	instance := os.Getenv("CODINGLAB_INSTANCE")
	if instance == "" {
		instance = "this machine"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		names, err := items.names(r.Context())
		if err != nil {
			fail(w, r, err)
			return
		}
		var body bytes.Buffer
		if err := page.Execute(&body, pageData{names, instance}); err != nil {
			fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		body.WriteTo(w)
	})
	mux.HandleFunc("POST /items", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		name := strings.TrimSpace(r.FormValue("name"))
		if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, 0) || utf8.RuneCountInString(name) > longestName {
			http.Error(w, "a name has 1 to 100 characters", http.StatusBadRequest)
			return
		}
		if err := items.add(r.Context(), name); err != nil {
			fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return mux
}

func fail(w http.ResponseWriter, r *http.Request, err error) {
	log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
	http.Error(w, "internal error", http.StatusInternalServerError)
}
