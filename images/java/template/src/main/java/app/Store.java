package app;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Semaphore;

/**
 * The database: what DATABASE_URL says (deployments), a file of H2 elsewhere.  A few connections
 * are kept, opened when they are first needed.
 */
class Store {
	static final int NAME_MAX = 100;
	static final int CONNECTIONS = 10;

	/** What is done with a connection. */
	interface Work<T> {
		T run(Connection c) throws SQLException;
	}

	private final String url;
	private final Properties login = new Properties();
	private final Semaphore free = new Semaphore(CONNECTIONS);
	private final ConcurrentLinkedDeque<Connection> idle = new ConcurrentLinkedDeque<>();

	/** url: jdbc:..., or a DATABASE_URL (postgres://user:password@host:port/name, mysql://...). */
	Store(String url) {
		if (url.startsWith("jdbc:")) {
			this.url = url;
			return;
		}
		URI u = URI.create(url);
		String[] user = u.getRawUserInfo().split(":", 2);
		String driver = u.getScheme().startsWith("postgres") ? "postgresql" : "mariadb";

		this.url = "jdbc:" + driver + "://" + u.getHost() + (u.getPort() < 0 ? "" : ":" + u.getPort()) + u.getPath();
		login.setProperty("user", URLDecoder.decode(user[0], StandardCharsets.UTF_8));
		login.setProperty("password", URLDecoder.decode(user.length > 1 ? user[1] : "", StandardCharsets.UTF_8));
	}

	/** The database of this environment. */
	static Store open() {
		String url = System.getenv().getOrDefault("DATABASE_URL", "");

		if (!url.isEmpty())
			return new Store(url);
		System.out.println("DATABASE_URL is not set: H2, in the folder data");
		Store store = new Store("jdbc:h2:./data/app;MODE=PostgreSQL");
		Migrate.run(store);
		return store;
	}

	/** A failed connection is not used again; a kept one that the server has closed is opened anew. */
	<T> T with(Work<T> work) throws SQLException {
		free.acquireUninterruptibly();
		try {
			Connection c = idle.pollFirst();
			if (c != null && !c.isValid(2)) {
				c.close();
				c = null;
			}
			if (c == null)
				c = DriverManager.getConnection(url, login);
			T result;
			try {
				result = work.run(c);
			} catch (SQLException | RuntimeException e) {
				c.close();
				throw e;
			}
			idle.addFirst(c);
			return result;
		} finally {
			free.release();
		}
	}

	List<String> names() throws SQLException {
		return with(c -> {
			List<String> names = new ArrayList<>();

			try (var s = c.createStatement(); ResultSet r = s.executeQuery("SELECT name FROM item ORDER BY id")) {
				while (r.next())
					names.add(r.getString(1));
			}
			return names;
		});
	}

	void add(String name) throws SQLException {
		with(c -> {
			try (var s = c.prepareStatement("INSERT INTO item (name) VALUES (?)")) {
				s.setString(1, name);
				return s.executeUpdate();
			}
		});
	}
}
