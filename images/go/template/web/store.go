package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
)

const connections = 4 // of one instance; all of them together share the database's hundred

// What the web application keeps.
type store interface {
	names(ctx context.Context) ([]string, error)
	add(ctx context.Context, name string) error
	migrate(ctx context.Context) error
}

// The database that the URL names (postgres:// or mysql://), memory without one.
func openStore(text string) (store, error) {
	if text == "" {
		log.Print("DATABASE_URL is not set: items are kept in memory")
		return &memory{items: []string{firstItem}}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a URL") // err would print the password
	}
	driver, source, mark := "pgx", text, "$1"
	switch u.Scheme {
	case "postgres", "postgresql":
	case "mysql":
		driver, source, mark = "mysql", mysqlSource(u), "?"
	default:
		return nil, fmt.Errorf("DATABASE_URL: unknown scheme %q", u.Scheme)
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := warm(db); err != nil {
		log.Printf("database: %v", err)
	}
	return &database{db, mark}, nil
}

// Makes all connections before the first request waits for one.  While the containers of a release
// come and go, the database's name may not be known for a moment.
func warm(db *sql.DB) error {
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for range connections {
		c, err := db.Conn(limit)
		for err != nil {
			select {
			case <-limit.Done():
				return err
			case <-time.After(200 * time.Millisecond):
				c, err = db.Conn(limit)
			}
		}
		defer c.Close()
	}
	return nil
}

func mysqlSource(u *url.URL) string {
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr += ":3306"
	}
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.Params = map[string]string{"charset": "utf8mb4"}
	c.InterpolateParams = true // one round trip for each query
	return c.FormatDSN()
}

const firstItem = "a row from the database"

// Each runs once, in this order; add new ones at the end.  SERIAL is known to both databases.
var migrations = []string{
	"CREATE TABLE item (id SERIAL PRIMARY KEY, name VARCHAR(100) NOT NULL)",
	"INSERT INTO item (name) VALUES ('" + firstItem + "')",
}

type database struct {
	db   *sql.DB
	mark string // how this database writes a parameter
}

func (d *database) names(ctx context.Context) ([]string, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT name FROM item ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (d *database) add(ctx context.Context, name string) error {
	_, err := d.db.ExecContext(ctx, "INSERT INTO item (name) VALUES ("+d.mark+")", name)
	return err
}

func (d *database) migrate(ctx context.Context) error {
	_, err := d.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)")
	if err != nil {
		return err
	}
	var done int
	if err := d.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_migrations").Scan(&done); err != nil {
		return err
	}
	for i := done; i < len(migrations); i++ {
		if err := d.step(ctx, i+1, migrations[i]); err != nil {
			return fmt.Errorf("migration %d: %w", i+1, err)
		}
	}
	log.Printf("migrate: %d of %d were new", max(0, len(migrations)-done), len(migrations))
	return nil
}

// A migration and its note, both or neither (MariaDB commits a CREATE at once).
func (d *database) step(ctx context.Context, version int, text string) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO schema_migrations VALUES ("+d.mark+")", version); err != nil {
		return err
	}
	return tx.Commit()
}

// While developing: gone when the program ends.
type memory struct {
	sync.Mutex
	items []string
}

func (m *memory) names(context.Context) ([]string, error) {
	m.Lock()
	defer m.Unlock()
	return slices.Clone(m.items), nil
}

func (m *memory) add(_ context.Context, name string) error {
	m.Lock()
	defer m.Unlock()
	m.items = append(m.items, name)
	return nil
}

func (m *memory) migrate(context.Context) error { return nil }
