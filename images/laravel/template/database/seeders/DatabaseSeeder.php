<?php

namespace Database\Seeders;

use Illuminate\Database\Seeder;

class DatabaseSeeder extends Seeder
{
    /** Rows to develop with: php artisan db:seed */
    public function run(): void
    {
    }
}
