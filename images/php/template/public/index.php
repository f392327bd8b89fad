<?php

// The front controller: every request that is not a file of public/ comes here.
// While developing: php -S 0.0.0.0:$PORT public/index.php

require __DIR__ . '/../src/autoload.php';

$app = new App\App(new App\Store());
[$status, $headers, $body] = $app->handle(
    $_SERVER['REQUEST_METHOD'],
    parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?: '/',
    $_POST,
);

http_response_code($status);
foreach ($headers as $name => $value) {
    header("$name: $value");
}
echo $body;
