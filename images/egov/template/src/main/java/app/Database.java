package app;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** DATABASE_URL (postgres://user:password@host:port/name, mysql://...) as Spring Boot's properties. */
final class Database {
	private Database() {
	}

	static Map<String, Object> properties(String url) {
		if (url == null || url.isEmpty())
			return Map.of();
		URI u = URI.create(url);
		String[] user = u.getRawUserInfo().split(":", 2);
		boolean postgres = u.getScheme().startsWith("postgres");
		String port = u.getPort() < 0 ? "" : ":" + u.getPort();

		return Map.of(
				"spring.datasource.url", "jdbc:" + (postgres ? "postgresql" : "mariadb") + "://" + u.getHost() + port + u.getPath(),
				"spring.datasource.username", decode(user[0]),
				"spring.datasource.password", user.length > 1 ? decode(user[1]) : "",
				"spring.flyway.placeholders.bytes", postgres ? "BYTEA" : "LONGBLOB");
	}

	private static String decode(String s) {
		return URLDecoder.decode(s, StandardCharsets.UTF_8);
	}
}
