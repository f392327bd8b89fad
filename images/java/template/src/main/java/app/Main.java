package app;

/** What F5 and `run` start.  Change it and press F5 again. */
public class Main {
	static String greet(String name) {
		return "Hello, " + name + "!";
	}

	public static void main(String[] args) {
		System.out.println(greet("{{project}}"));
	}
}
