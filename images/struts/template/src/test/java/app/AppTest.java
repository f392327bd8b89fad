package app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.List;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import org.junit.jupiter.api.Test;

class AppTest {
	private static final Instant NOW = Instant.parse("2030-01-01T00:00:00Z");
	private final Login login = new Login("a secret of the test");

	@Test
	void rowsAreKeptInOrder() throws Exception {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl("jdbc:h2:mem:test");

		try (HikariDataSource database = new HikariDataSource(config)) {
			ItemDao items = new ItemDao(database);
			assertEquals(1, Migrate.run(database));
			assertEquals(0, Migrate.run(database));
			items.add("<b>");
			assertEquals(List.of("a row from the database", "<b>"), items.names());
		}
	}

	@Test
	void aLoginIsReadBack() {
		assertEquals("앨리스.x", login.read(login.make("앨리스.x", NOW), NOW));
	}

	@Test
	void aForgedOrOldLoginIsNobody() {
		String cookie = login.make("alice", NOW);

		assertNull(login.read("x" + cookie, NOW));
		assertNull(login.read(cookie + "x", NOW));
		assertNull(login.read("", NOW));
		assertNull(login.read("alice", NOW));
		assertNull(new Login("another secret").read(cookie, NOW));
		assertNotNull(login.read(cookie, NOW.plus(Login.LIFE)));
		assertNull(login.read(cookie, NOW.plus(Login.LIFE).plusSeconds(1)));
	}

	@Test
	void aNameMustBeThere() {
		AddItemAction action = new AddItemAction();

		action.setName("  ");
		action.validate();
		assertTrue(action.hasFieldErrors());
	}

	@Test
	void databaseUrls() {
		HikariConfig c = Database.config("mysql://app:a%40b@db:3306/app");

		assertEquals("jdbc:mariadb://db:3306/app", c.getJdbcUrl());
		assertEquals("a@b", c.getPassword());
	}
}
