<?php

namespace Tests\Feature;

use App\Models\Item;
use Illuminate\Foundation\Testing\RefreshDatabase;
use Tests\TestCase;

class ItemTest extends TestCase
{
    use RefreshDatabase;

    public function testThePageShowsRows(): void
    {
        $this->get('/')->assertOk()->assertSee('<li>a row from the database</li>', false);
    }

    public function testAnAddedItemIsShownEscaped(): void
    {
        $this->post('/items', ['name' => ' <b>tea</b> '])->assertRedirect('/');
        $this->assertSame('<b>tea</b>', Item::latest('id')->first()->name);
        $this->get('/')->assertSee('<li>&lt;b&gt;tea&lt;/b&gt;</li>', false);
    }

    public function testAnItemWithoutANameIsRefused(): void
    {
        $this->post('/items', ['name' => ' '])->assertSessionHasErrors('name');
        $this->assertSame(1, Item::count());
    }
}
