<?php

namespace Tests\Unit;

use App\Models\Item;
use PHPUnit\Framework\TestCase;

class ItemTest extends TestCase
{
    public function testOnlyTheNameIsTakenFromAForm(): void
    {
        $this->assertSame(['name' => 'tea'], (new Item(['name' => 'tea', 'id' => 7]))->getAttributes());
    }
}
