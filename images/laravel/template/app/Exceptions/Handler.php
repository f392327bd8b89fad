<?php

namespace App\Exceptions;

use Illuminate\Foundation\Exceptions\Handler as ExceptionHandler;

class Handler extends ExceptionHandler
{
    /** Input that is never shown again in a form. */
    protected $dontFlash = ['current_password', 'password', 'password_confirmation'];
}
