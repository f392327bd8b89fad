<?php

use App\Http\Controllers\ItemController;
use App\Http\Controllers\SessionController;
use Illuminate\Support\Facades\Route;

Route::get('/', [ItemController::class, 'index'])->name('items.index');
Route::post('/items', [ItemController::class, 'store'])->name('items.store');
Route::post('/login', [SessionController::class, 'store'])->name('login');
Route::get('/whoami', [SessionController::class, 'show'])->name('whoami');
