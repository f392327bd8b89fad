"""{{project}}: what F5 and `run` start.  Change it and press F5 again."""


def greet(name):
    return f"Hello, {name}!"


if __name__ == "__main__":
    print(greet("{{project}}"))
