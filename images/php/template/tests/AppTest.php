<?php

use App\App;
use App\Store;
use PHPUnit\Framework\TestCase;

final class AppTest extends TestCase
{
    private App $app;

    private string $file;

    protected function setUp(): void
    {
        $this->file = tempnam(sys_get_temp_dir(), 'app');
        $this->app = new App(new Store($this->file));
    }

    protected function tearDown(): void
    {
        unlink($this->file);
    }

    public function testHealth(): void
    {
        $this->assertSame([200, 'ok'], [$this->app->handle('GET', '/healthz')[0], $this->app->handle('GET', '/healthz')[2]]);
    }

    public function testPageShowsRows(): void
    {
        [$status, , $body] = $this->app->handle('GET', '/');
        $this->assertSame(200, $status);
        $this->assertStringContainsString('<li>a row from the database</li>', $body);
    }

    public function testAddedItemIsShownEscaped(): void
    {
        [$status, $headers] = $this->app->handle('POST', '/items', ['name' => '<b>tea</b>']);
        $this->assertSame([303, '/'], [$status, $headers['Location']]);
        $this->assertStringContainsString('<li>&lt;b&gt;tea&lt;/b&gt;</li>', $this->app->handle('GET', '/')[2]);
    }

    public function testEmptyNameIsRefused(): void
    {
        $this->assertSame(422, $this->app->handle('POST', '/items', ['name' => ' '])[0]);
    }

    public function testUnknownPath(): void
    {
        $this->assertSame(404, $this->app->handle('GET', '/nowhere')[0]);
    }

    public function testMigrationsRunOnce(): void
    {
        $store = new Store($this->file);
        $this->assertGreaterThan(0, $store->migrate());
        $this->assertSame(0, $store->migrate());
    }
}
