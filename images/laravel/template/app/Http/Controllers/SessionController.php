<?php

namespace App\Http\Controllers;

use Illuminate\Http\RedirectResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;

/** Who is there: a name in the session, without a password, to start from. */
class SessionController extends Controller
{
    public function store(Request $request): RedirectResponse
    {
        $form = $request->validate(['user' => ['nullable', 'string', 'max:60']]);
        $request->session()->invalidate();
        $request->session()->put('user', $form['user'] ?? null);

        return redirect()->route('items.index', status: 303);
    }

    public function show(Request $request): Response
    {
        return response($request->session()->get('user') ?? 'anonymous')->header('Content-Type', 'text/plain; charset=utf-8');
    }
}
