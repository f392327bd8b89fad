<?php

namespace App;

use PDO;

/**
 * The database: what DATABASE_URL says (postgres:// or mysql://), a SQLite file elsewhere.
 * The connection is opened at the first question and kept by the worker between requests.
 */
final class Store
{
    private const OPTIONS = [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
        PDO::ATTR_PERSISTENT => true,
    ];

    private ?PDO $pdo = null;

    public function __construct(private readonly ?string $file = null)
    {
    }

    /** @return list<string> */
    public function items(): array
    {
        return $this->pdo()->query('SELECT name FROM item ORDER BY id')->fetchAll(PDO::FETCH_COLUMN);
    }

    public function add(string $name): void
    {
        $this->pdo()->prepare('INSERT INTO item (name) VALUES (?)')->execute([$name]);
    }

    /** Brings the database to the form that the app expects; returns how many steps were new. */
    public function migrate(): int
    {
        $this->pdo ??= $this->connect();
        $this->pdo->exec('CREATE TABLE IF NOT EXISTS migration (step INTEGER PRIMARY KEY)');
        $done = $this->pdo->query('SELECT step FROM migration')->fetchAll(PDO::FETCH_COLUMN);
        $new = array_filter(self::steps($this->driver()), fn ($step) => !in_array($step, $done), ARRAY_FILTER_USE_KEY);
        foreach ($new as $step => $sql) {
            $this->pdo->exec($sql);
            $this->pdo->exec("INSERT INTO migration (step) VALUES ($step)");
        }
        return count($new);
    }

    /** Add a step at the end; never change one that has run somewhere. */
    private static function steps(string $driver): array
    {
        $id = [
            'pgsql' => 'SERIAL PRIMARY KEY',
            'mysql' => 'INTEGER AUTO_INCREMENT PRIMARY KEY',
            'sqlite' => 'INTEGER PRIMARY KEY AUTOINCREMENT',
        ][$driver];
        return [
            1 => "CREATE TABLE item (id $id, name VARCHAR(100) NOT NULL)",
            2 => "INSERT INTO item (name) VALUES ('a row from the database')",
        ];
    }

    private function driver(): string
    {
        return $this->pdo->getAttribute(PDO::ATTR_DRIVER_NAME);
    }

    private function pdo(): PDO
    {
        if ($this->pdo === null) {
            $this->pdo = $this->connect();
            if ($this->driver() === 'sqlite') {
                $this->migrate();
            }
        }
        return $this->pdo;
    }

    private function connect(): PDO
    {
        $url = getenv('DATABASE_URL');
        if ($this->file !== null || $url === false || $url === '') {
            $file = $this->file ?? self::defaultFile();
            return new PDO("sqlite:$file", options: self::OPTIONS + [PDO::ATTR_TIMEOUT => 5]);
        }
        $part = parse_url($url);
        $driver = ['postgres' => 'pgsql', 'postgresql' => 'pgsql', 'mysql' => 'mysql'][$part['scheme'] ?? '']
            ?? throw new \RuntimeException('DATABASE_URL: postgres:// or mysql:// is understood');
        $dsn = sprintf(
            '%s:host=%s;port=%d;dbname=%s',
            $driver,
            $part['host'],
            $part['port'] ?? ($driver === 'pgsql' ? 5432 : 3306),
            ltrim($part['path'] ?? '/app', '/'),
        ) . ($driver === 'mysql' ? ';charset=utf8mb4' : '');
        return new PDO($dsn, rawurldecode($part['user'] ?? ''), rawurldecode($part['pass'] ?? ''), self::OPTIONS);
    }

    private static function defaultFile(): string
    {
        $dir = dirname(__DIR__);
        $file = (is_writable($dir) ? $dir : sys_get_temp_dir()) . '/app.db';
        if (!is_file($file)) {
            error_log("DATABASE_URL is not set: using SQLite, $file");
        }
        return $file;
    }
}
