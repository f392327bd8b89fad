<?php
/*
 * Makes of Debian's Laravel what composer understands: the package laravel/framework in the folder
 * composer/laravel beside this file, with a link to where Debian keeps PHP libraries; and where it is
 * installed mockery/mockery, for tests.  A project's composer.json names composer/* as a repository, so
 * `composer install` needs no network for the framework, and makes an autoloader with one class map;
 * Debian's own loads some 60 autoloaders in each request.  The libraries that come with the framework
 * stand under "replace", so that nothing else is fetched for them.
 */

const ROOT = '/usr/share/php';
const OUT = __DIR__ . '/composer';

/** Composer's name => Debian's package. */
const LIBRARIES = [
	'brick/math' => 'php-brick-math',
	'dflydev/dot-access-data' => 'php-dflydev-dot-access-data',
	'doctrine/inflector' => 'php-doctrine-inflector',
	'doctrine/lexer' => 'php-doctrine-lexer',
	'dragonmantank/cron-expression' => 'php-dragonmantank-cron-expression',
	'egulias/email-validator' => 'php-email-validator',
	'fruitcake/php-cors' => 'php-fruitcake-php-cors',
	'graham-campbell/result-type' => 'php-graham-campbell-result-type',
	'guzzlehttp/uri-template' => 'php-guzzlehttp-uri-template',
	'laravel/prompts' => 'php-laravel-prompts',
	'laravel/serializable-closure' => 'php-laravel-serializable-closure',
	'league/commonmark' => 'php-league-commonmark',
	'league/config' => 'php-league-config',
	'league/flysystem' => 'php-league-flysystem',
	'league/mime-type-detection' => 'php-league-mime-type-detection',
	'monolog/monolog' => 'php-monolog',
	'nesbot/carbon' => 'php-nesbot-carbon',
	'nette/schema' => 'php-nette-schema',
	'nette/utils' => 'php-nette-utils',
	'nunomaduro/termwind' => 'php-nunomaduro-termwind',
	'phpoption/phpoption' => 'php-phpoption',
	'psr/clock' => 'php-psr-clock',
	'psr/container' => 'php-psr-container',
	'psr/event-dispatcher' => 'php-psr-event-dispatcher',
	'psr/log' => 'php-psr-log',
	'psr/simple-cache' => 'php-psr-simple-cache',
	'ramsey/collection' => 'php-ramsey-collection',
	'ramsey/uuid' => 'php-ramsey-uuid',
	'symfony/console' => 'php-symfony-console',
	'symfony/css-selector' => 'php-symfony-css-selector',
	'symfony/deprecation-contracts' => 'php-symfony-deprecation-contracts',
	'symfony/error-handler' => 'php-symfony-error-handler',
	'symfony/event-dispatcher' => 'php-symfony-event-dispatcher',
	'symfony/event-dispatcher-contracts' => 'php-symfony-event-dispatcher-contracts',
	'symfony/finder' => 'php-symfony-finder',
	'symfony/http-foundation' => 'php-symfony-http-foundation',
	'symfony/http-kernel' => 'php-symfony-http-kernel',
	'symfony/mailer' => 'php-symfony-mailer',
	'symfony/mime' => 'php-symfony-mime',
	'symfony/process' => 'php-symfony-process',
	'symfony/routing' => 'php-symfony-routing',
	'symfony/service-contracts' => 'php-symfony-service-contracts',
	'symfony/string' => 'php-symfony-string',
	'symfony/translation' => 'php-symfony-translation',
	'symfony/translation-contracts' => 'php-symfony-translation-contracts',
	'symfony/uid' => 'php-symfony-uid',
	'symfony/var-dumper' => 'php-symfony-var-dumper',
	'tijsverkoyen/css-to-inline-styles' => 'php-tijsverkoyen-css-to-inline-styles',
	'vlucas/phpdotenv' => 'php-vlucas-phpdotenv',
	'voku/portable-ascii' => 'php-voku-portable-ascii',
];

/** Namespaces whose folder below ROOT has their name. */
const NAMESPACES = ['Brick', 'Carbon', 'Cron', 'Dflydev', 'Doctrine', 'Dotenv', 'Egulias', 'Fruitcake',
	'GrahamCampbell', 'GuzzleHttp', 'Illuminate', 'Laravel', 'League', 'Monolog', 'PhpOption', 'Psr',
	'Ramsey', 'Symfony', 'Termwind', 'TijsVerkoyen', 'voku'];

/** Files that define functions. */
const FILES = ['Illuminate/Collections/helpers.php', 'Illuminate/Events/functions.php',
	'Illuminate/Filesystem/functions.php', 'Illuminate/Foundation/helpers.php',
	'Illuminate/Support/helpers.php', 'Laravel/Prompts/helpers.php', 'Ramsey/Uuid/functions.php',
	'Symfony/Component/String/Resources/functions.php',
	'Symfony/Component/Translation/Resources/functions.php',
	'Symfony/Component/VarDumper/Resources/functions/dump.php',
	'Symfony/Contracts/Deprecation/function.php', 'Termwind/Functions.php'];

/** Upstream's part of an installed package's version: 1:6.4.21+dfsg-2+deb13u1 -> 6.4.21. */
function version_of(string $package): string
{
	static $all = null;
	if ($all === null) {
		exec("dpkg-query -W -f '\${Package} \${Version}\\n'", $lines);
		$all = array_column(array_map(fn ($line) => explode(' ', $line), $lines), 1, 0);
	}
	if (!preg_match('/^(?:\d+:)?(\d+(?:\.\d+)+)/', $all[$package] ?? '', $match)) {
		fwrite(STDERR, "package.php: $package: not installed, or its version is not understood\n");
		exit(1);
	}
	return $match[1];
}

/** Writes OUT/NAME/composer.json; every path below ROOT that it names must be there. */
function package(string $name, array $namespaces, array $classmap, array $files, array $about): void
{
	foreach ([...$namespaces, ...$classmap, ...$files] as $path) {
		if (!file_exists(ROOT . "/$path")) {
			fwrite(STDERR, 'package.php: ' . ROOT . "/$path is missing\n");
			exit(1);
		}
	}
	$below = fn (array $paths) => array_map(fn ($path) => "php/$path", $paths);
	$psr4 = array_combine(array_map(fn ($n) => "$n\\", $namespaces), $below(array_map(fn ($n) => "$n/", $namespaces)));
	if (in_array('Illuminate', $namespaces, true)) {
		$psr4['Illuminate\\Support\\'] = $below(['Illuminate/Collections/', 'Illuminate/Conditionable/', 'Illuminate/Macroable/']);
	}
	$about['autoload'] = ['psr-4' => $psr4, 'classmap' => $below($classmap), 'files' => $below($files)];
	$dir = OUT . "/$name";
	mkdir($dir, recursive: true);
	symlink(ROOT, "$dir/php");
	file_put_contents("$dir/composer.json",
		json_encode($about, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR) . "\n");
}

$replace = array_map(version_of(...), LIBRARIES);
foreach (glob(ROOT . '/Illuminate/*', GLOB_ONLYDIR) as $dir) {
	$name = strtolower(basename($dir));
	if ($name !== 'foundation') {
		$replace["illuminate/$name"] = 'self.version';
	}
}
package('laravel', NAMESPACES, ['Nette'], FILES, [
	'name' => 'laravel/framework',
	'description' => 'Laravel as Debian packages it',
	'license' => 'MIT',
	'version' => version_of('php-laravel-framework'),
	'require' => ['php' => '^8.1', 'ext-mbstring' => '*'],
	'replace' => $replace,
]);
if (is_dir(ROOT . '/Mockery')) {
	package('mockery', ['Hamcrest', 'Mockery'], ['Mockery.php'], ['Mockery/helpers.php'], [
		'name' => 'mockery/mockery',
		'description' => 'Mockery as Debian packages it',
		'license' => 'BSD-3-Clause',
		'version' => version_of('php-mockery'),
		'require' => ['php' => '>=7.3'],
		'replace' => ['hamcrest/hamcrest-php' => version_of('php-hamcrest')],
	]);
}
