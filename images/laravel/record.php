<?php
/*
 * record.php APP: writes down (preload.list beside this file) which of Laravel's files an application
 * loads, by asking the one in APP for its pages in this process: with a row read, a row written, a
 * session, a page of Blade; and what either database adds.  Runs while the image is made.
 */

use Illuminate\Contracts\Console\Kernel as Console;
use Illuminate\Contracts\Http\Kernel as Http;
use Illuminate\Http\Request;

error_reporting(E_ALL & ~E_DEPRECATED);
chdir($argv[1]);
foreach (['APP_KEY=record', 'DB_DATABASE=:memory:', 'DB_PERSISTENT=', 'LOG_CHANNEL=stderr'] as $variable) {
	putenv($variable);
}

/* Debian's autoloader; a project has composer's. */
mkdir('vendor');
file_put_contents('vendor/autoload.php', <<<'PHP'
	<?php
	require_once '/usr/share/php/Illuminate/autoload.php';
	spl_autoload_register(function ($class) {
		if (str_starts_with($class, 'App\\')) {
			require getcwd() . '/app/' . strtr(substr($class, 4), '\\', '/') . '.php';
		}
	});
	PHP);

$app = require 'bootstrap/app.php';
$app->make(Console::class)->call('migrate', ['--force' => true]);

function ask(object $app, string $method, string $path, array $form, array $cookies): object
{
	$kernel = $app->make(Http::class);
	$request = Request::create($path, $method, $form, $cookies);
	$response = $kernel->handle($request);
	$kernel->terminate($request, $response);
	return $response;
}

$page = ask($app, 'GET', '/', [], []);
if ($page->getStatusCode() !== 200) {
	fwrite(STDERR, "record.php: GET / gave " . $page->getStatusCode() . "\n" . $page->getContent());
	exit(1);
}
preg_match('/name="_token" value="([^"]+)"/', $page->getContent(), $token);
$cookies = [];
foreach ($page->headers->getCookies() as $cookie) {
	$cookies[$cookie->getName()] = $cookie->getValue();
}
ask($app, 'POST', '/items', ['_token' => $token[1], 'name' => 'x'], $cookies);
ask($app, 'GET', '/whoami', [], $cookies);
ask($app, 'GET', '/healthz', [], []);
foreach (['PostgresConnection', 'MySqlConnection', 'Connectors\PostgresConnector', 'Connectors\MySqlConnector',
	'Query\Grammars\PostgresGrammar', 'Query\Grammars\MySqlGrammar', 'Query\Processors\PostgresProcessor',
	'Query\Processors\MySqlProcessor'] as $class) {
	class_exists("Illuminate\\Database\\$class") || throw new RuntimeException("no class $class");
}

/* What the console alone needs stays out; so do the autoloaders. */
$files = array_filter(get_included_files(), fn ($file) => str_starts_with($file, '/usr/share/php/')
	&& basename($file) !== 'autoload.php'
	&& !preg_match('#/(helpers|functions|function|Functions|dump)\.php$#', $file)
	&& !preg_match('#/(Console|Termwind|Prompts|Migrations)/#', $file));
file_put_contents(__DIR__ . '/preload.list', implode("\n", $files) . "\n");
echo 'record.php: ', count($files), " files\n";
