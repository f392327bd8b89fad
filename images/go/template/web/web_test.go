package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func ask(t *testing.T, app http.Handler, method, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

func TestHealth(t *testing.T) {
	if w := ask(t, routes(&memory{}), "GET", "/healthz", nil); w.Code != 200 || w.Body.String() != "ok" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestAddedItemIsShown(t *testing.T) {
	app := routes(&memory{})
	w := ask(t, app, "POST", "/items", url.Values{"name": {"<b>second</b>"}})
	if w.Code != 303 || w.Header().Get("Location") != "/" {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	if body := ask(t, app, "GET", "/", nil).Body.String(); !strings.Contains(body, "<li>&lt;b&gt;second&lt;/b&gt;</li>") {
		t.Error(body)
	}
}

func TestNamesHaveALimit(t *testing.T) {
	app := routes(&memory{})
	for _, name := range []string{"", "  ", strings.Repeat("x", 101), "\xff"} {
		if w := ask(t, app, "POST", "/items", url.Values{"name": {name}}); w.Code != 400 {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
	if w := ask(t, app, "GET", "/nowhere", nil); w.Code != 404 {
		t.Errorf("unknown path: %d", w.Code)
	}
}

func TestDatabaseURLs(t *testing.T) {
	u, _ := url.Parse("mysql://app:p%40ss@db/app")
	if got := mysqlSource(u); !strings.HasPrefix(got, "app:p@ss@tcp(db:3306)/app?") {
		t.Error(got)
	}
	if _, err := openStore("oracle://db/app"); err == nil {
		t.Error("an unknown scheme is taken")
	}
	if _, err := openStore("postgres://app:secret@db:port/app"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad URL: %v", err)
	}
}
