<?php

namespace App;

/** The web application: a request's parts in, [status, headers, body] out. */
final class App
{
    public function __construct(private readonly Store $store)
    {
    }

    /**
     * @param array<string, mixed> $form
     * @return array{int, array<string, string>, string}
     */
    public function handle(string $method, string $path, array $form = []): array
    {
        return match ("$method $path") {
            'GET /healthz', 'HEAD /healthz' => $this->text(200, 'ok'),
            'GET /', 'HEAD /' => $this->index(),
            'POST /items' => $this->add($form['name'] ?? ''),
            default => $this->text(404, 'not found'),
        };
    }

    private function index(): array
    {
        $rows = '';
        foreach ($this->store->items() as $name) {
            $rows .= '<li>' . htmlspecialchars($name) . "</li>\n";
        }
        $instance = htmlspecialchars(getenv('CODINGLAB_INSTANCE') ?: 'this machine');
        return [200, ['Content-Type' => 'text/html; charset=utf-8'], <<<HTML
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <title>{{project}}</title>
            <h1>Hello from {{project}}</h1>
            <ul>
            $rows</ul>
            <form method="post" action="/items">
            <input type="text" name="name" maxlength="100" required>
            <button>Add</button>
            </form>
            <p>served by $instance</p>
            </html>

            HTML];
    }

    private function add(mixed $name): array
    {
        $name = is_string($name) ? trim($name) : '';
        if ($name === '' || mb_strlen($name) > 100) {
            return $this->text(422, 'name: 1 to 100 characters');
        }
        $this->store->add($name);
        return [303, ['Location' => '/'], ''];
    }

    private function text(int $status, string $body): array
    {
        return [$status, ['Content-Type' => 'text/plain; charset=utf-8'], $body];
    }
}
