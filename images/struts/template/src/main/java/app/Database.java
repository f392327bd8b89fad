package app;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import javax.sql.DataSource;
import org.apache.logging.log4j.LogManager;

/** The database: what DATABASE_URL says in deployments, a file of H2 elsewhere. */
final class Database {
	private Database() {
	}

	/** Opened when it is first needed, once. */
	private static final class Pool {
		static final DataSource SHARED = new HikariDataSource(config(System.getenv("DATABASE_URL")));
	}

	static DataSource shared() {
		return Pool.SHARED;
	}

	/** url: postgres://user:password@host:port/name, mysql://..., or nothing. */
	static HikariConfig config(String url) {
		HikariConfig c = new HikariConfig();

		c.setMaximumPoolSize(10);
		c.setMinimumIdle(2);
		if (url == null || url.isEmpty()) {
			LogManager.getLogger(Database.class).info("DATABASE_URL is not set: H2, in the folder data");
			c.setDriverClassName("org.h2.Driver");
			c.setJdbcUrl("jdbc:h2:./data/app");
			return c;
		}
		URI u = URI.create(url);
		String[] user = u.getRawUserInfo().split(":", 2);
		boolean postgres = u.getScheme().startsWith("postgres");

		c.setDriverClassName(postgres ? "org.postgresql.Driver" : "org.mariadb.jdbc.Driver");
		c.setJdbcUrl("jdbc:" + (postgres ? "postgresql" : "mariadb") + "://" + u.getHost()
				+ (u.getPort() < 0 ? "" : ":" + u.getPort()) + u.getPath());
		c.setUsername(URLDecoder.decode(user[0], StandardCharsets.UTF_8));
		c.setPassword(user.length > 1 ? URLDecoder.decode(user[1], StandardCharsets.UTF_8) : "");
		return c;
	}
}
