package app;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * Brings the database to the form that the app expects: the files db/1.sql, db/2.sql, ... in their
 * order, each once.  Runs before each release serves.
 */
public class Migrate {
	private static String step(int n) {
		try (InputStream in = Migrate.class.getResourceAsStream("/db/" + n + ".sql")) {
			return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
		} catch (IOException e) {
			throw new IllegalStateException("db/" + n + ".sql", e);
		}
	}

	private static int version(Connection c) throws SQLException {
		try (var s = c.createStatement()) {
			s.execute("CREATE TABLE IF NOT EXISTS migration (step INTEGER PRIMARY KEY)");
			try (var r = s.executeQuery("SELECT COALESCE(MAX(step), 0) FROM migration")) {
				r.next();
				return r.getInt(1);
			}
		}
	}

	private static int all(Connection c) throws SQLException {
		int n = version(c);

		for (String sql; (sql = step(n + 1)) != null; n++)
			try (var s = c.createStatement()) {
				c.setAutoCommit(false);
				for (String one : sql.split(";\\s*\\n"))
					if (!one.isBlank())
						s.execute(one);
				s.execute("INSERT INTO migration (step) VALUES (" + (n + 1) + ")");
				c.commit();
			}
		c.setAutoCommit(true);
		return n;
	}

	static int run(Store store) {
		try {
			return store.with(Migrate::all);
		} catch (SQLException e) {
			throw new IllegalStateException("migration failed: " + e.getMessage(), e);
		}
	}

	public static void main(String[] args) {
		System.out.println("migrate: at step " + run(Store.open()));
	}
}
