<?php

// The application in `php -a`: php -d auto_prepend_file=bootstrap/repl.php -a
// Models go by their short names there: Item::count()

$app = require __DIR__ . '/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

spl_autoload_register(function (string $class): void {
    if (!str_contains($class, '\\') && class_exists("App\\Models\\$class")) {
        class_alias("App\\Models\\$class", $class);
    }
});
