<?php

namespace App\Http\Controllers;

use App\Models\Item;
use Illuminate\Http\RedirectResponse;
use Illuminate\Http\Request;
use Illuminate\View\View;

class ItemController extends Controller
{
    public function index(Request $request): View
    {
        return view('items.index', [
            'items' => Item::orderBy('id')->get(),
            'user' => $request->session()->get('user'),
            'instance' => config('app.instance'),
        ]);
    }

    public function store(Request $request): RedirectResponse
    {
        Item::create($request->validate(['name' => ['required', 'string', 'max:100']]));

        return redirect()->route('items.index', status: 303);
    }
}
