# {{project}}: what F5 and `run` start.  Change it and press F5 again.

def greet(name) = "Hello, #{name}!"

puts greet("{{project}}") if $PROGRAM_NAME == __FILE__
