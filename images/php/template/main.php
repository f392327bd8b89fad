<?php

// {{project}}: what F5 and `run` start.  Change it and press F5 again.

function greet(string $name): string
{
    return "Hello, $name!";
}

echo greet('{{project}}'), "\n";
