<?php

namespace App\Http\Controllers;

use Illuminate\Http\Response;

/** The platform asks; answered without session and database. */
class HealthController extends Controller
{
    public function __invoke(): Response
    {
        return response('ok')->header('Content-Type', 'text/plain; charset=utf-8');
    }
}
