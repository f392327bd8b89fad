<?php

namespace Tests\Feature;

use Tests\TestCase;

class SessionTest extends TestCase
{
    public function testNobodyIsLoggedInAtFirst(): void
    {
        $this->get('/whoami')->assertOk()->assertContent('anonymous');
    }

    public function testTheSessionRemembersTheName(): void
    {
        $this->post('/login', ['user' => 'ada'])->assertRedirect('/');
        $this->get('/whoami')->assertContent('ada');
    }
}
