<?php

use Illuminate\Support\Facades\Artisan;

Artisan::command('items', function () {
    App\Models\Item::pluck('name')->each(fn ($name) => $this->line($name));
})->purpose('List the items');
