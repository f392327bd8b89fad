<?php

// Runs once for each release, before it serves; harmless when repeated.  The steps are in src/Store.php.

require __DIR__ . '/src/autoload.php';

echo 'migrate: ', (new App\Store())->migrate(), " steps done\n";
