<?php
/*
 * Loaded by php-fpm before its workers exist (php-serve): the classes of Laravel that an ordinary
 * request uses (preload.list, made by record.php with the image) stay in memory, linked, so that no
 * request looks for them.  Only where the project uses the image's Laravel, and not one of its own.
 */

if (realpath(getcwd() . '/vendor/laravel/framework') === __DIR__ . '/composer/laravel') {
	error_reporting(E_ALL & ~E_DEPRECATED);
	foreach (file(__DIR__ . '/preload.list', FILE_IGNORE_NEW_LINES) as $file) {
		opcache_compile_file($file);
	}
}
