<?php

namespace Tests\Feature;

use Tests\TestCase;

class HealthTest extends TestCase
{
    public function testThePlatformsQuestionIsAnswered(): void
    {
        $this->get('/healthz')->assertOk()->assertContent('ok');
    }
}
