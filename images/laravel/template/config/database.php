<?php

// DATABASE_URL says which one: postgres:// or mysql:// in deployments, a SQLite file while developing.
// A worker keeps its connection between requests (ATTR_PERSISTENT).

$url = env('DATABASE_URL') ?: null;
$driver = ['postgres' => 'pgsql', 'postgresql' => 'pgsql', 'mysql' => 'mysql'];
$keep = [PDO::ATTR_PERSISTENT => env('DB_PERSISTENT', true)];

return [
    'default' => env('DB_CONNECTION', $url === null ? 'sqlite' : $driver[parse_url($url, PHP_URL_SCHEME)]),
    'connections' => [
        'sqlite' => [
            'driver' => 'sqlite',
            'database' => env('DB_DATABASE', (is_writable(database_path()) ? database_path() : '/tmp') . '/database.sqlite'),
            'prefix' => '',
            'foreign_key_constraints' => true,
        ],
        'mysql' => [
            'driver' => 'mysql',
            'url' => $url,
            'charset' => 'utf8mb4',
            'collation' => 'utf8mb4_unicode_ci',
            'prefix' => '',
            'strict' => true,
            'options' => $keep,
        ],
        'pgsql' => [
            'driver' => 'pgsql',
            'url' => $url,
            'charset' => 'utf8',
            'prefix' => '',
            'options' => $keep,
        ],
    ],
    'migrations' => 'migrations',
];
