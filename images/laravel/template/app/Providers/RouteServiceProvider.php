<?php

namespace App\Providers;

use App\Http\Controllers\HealthController;
use Illuminate\Foundation\Support\Providers\RouteServiceProvider as ServiceProvider;
use Illuminate\Support\Facades\Route;

class RouteServiceProvider extends ServiceProvider
{
    public const HOME = '/';

    public function boot(): void
    {
        $this->routes(function () {
            Route::get('/healthz', HealthController::class);
            Route::middleware('web')->group(base_path('routes/web.php'));
        });
    }
}
