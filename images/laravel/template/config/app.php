<?php

use App\Providers\AppServiceProvider;
use App\Providers\RouteServiceProvider;
use Illuminate\Support\Facades\Facade;
use Illuminate\Support\ServiceProvider;

// The key of cookies and sessions: 32 bytes after `base64:`, or any secret, from which they are made.
// While developing there is a fixed one; elsewhere a missing key is an error.
$key = function (?string $secret): ?string {
    if ($secret === null && env('APP_ENV', 'local') !== 'production') {
        $secret = 'insecure-development-key';
    }
    if ($secret === null || str_starts_with($secret, 'base64:')) {
        return $secret;
    }

    return 'base64:' . base64_encode(hash('sha256', $secret, true));
};

return [
    'name' => env('APP_NAME', '{{project}}'),
    'env' => env('APP_ENV', 'local'),
    'debug' => (bool) env('APP_DEBUG', env('APP_ENV', 'local') !== 'production'),
    'url' => env('APP_URL', 'http://localhost'),
    'instance' => env('CODINGLAB_INSTANCE', 'this machine'),
    'timezone' => 'UTC',
    'locale' => 'en',
    'fallback_locale' => 'en',
    'key' => $key(env('APP_KEY')),
    'cipher' => 'AES-256-CBC',
    'maintenance' => ['driver' => 'file'],
    'providers' => ServiceProvider::defaultProviders()->merge([
        AppServiceProvider::class,
        RouteServiceProvider::class,
    ])->toArray(),
    'aliases' => Facade::defaultAliases()->toArray(),
];
