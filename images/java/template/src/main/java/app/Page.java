package app;

import java.util.List;
import java.util.stream.Collectors;

/** The page as text. */
class Page {
	private static final String INDEX = """
			<!doctype html>
			<html lang="en"><meta charset="utf-8"><title>{{project}}</title>
			<h1>Hello from {{project}}</h1>
			<ul>
			%s</ul>
			<form method="post" action="/items">
			<input type="text" name="name" maxlength="100" required> <button>Add</button>
			</form>
			<p>served by %s</p>
			</html>
			""";

	static String index(List<String> names) {
		String rows = names.stream().map(n -> "<li>" + escape(n) + "</li>\n").collect(Collectors.joining());

		return INDEX.formatted(rows, System.getenv().getOrDefault("CODINGLAB_INSTANCE", "this machine"));
	}

	static String escape(String s) {
		return s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
				.replace("\"", "&quot;").replace("'", "&#39;");
	}
}
