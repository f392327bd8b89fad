<?php

// Composer's autoloader where there is one (the build makes it), else only our own classes.

if (is_file(__DIR__ . '/../vendor/autoload.php')) {
    require __DIR__ . '/../vendor/autoload.php';
} else {
    spl_autoload_register(function (string $class): void {
        $file = __DIR__ . '/' . strtr(substr($class, strlen('App\\')), '\\', '/') . '.php';
        if (str_starts_with($class, 'App\\') && is_file($file)) {
            require $file;
        }
    });
}
