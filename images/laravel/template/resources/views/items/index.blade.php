@extends('layout')

@section('content')
<h1>Hello from {{ config('app.name') }}</h1>

<ul>
@foreach ($items as $item)
    <li>{{ $item->name }}</li>
@endforeach
</ul>

<form method="post" action="/items">
    @csrf
    <input type="text" name="name" maxlength="100" required>
    <button>Add</button>
    @error('name') <p>{{ $message }}</p> @enderror
</form>

<p>{{ $user === null ? 'not logged in' : "logged in as $user" }}</p>

<form method="post" action="/login">
    @csrf
    <input type="text" name="user" maxlength="60">
    <button>Log in</button>
</form>

<p>served by {{ $instance }}</p>
@endsection
