package app;

import java.util.List;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Repository;

@Repository
class ItemRepository {
	private final JdbcClient jdbc;

	ItemRepository(JdbcClient jdbc) {
		this.jdbc = jdbc;
	}

	List<Item> findAll() {
		return jdbc.sql("SELECT name FROM item ORDER BY id").query(Item.class).list();
	}

	void add(Item item) {
		jdbc.sql("INSERT INTO item (name) VALUES (:name)").param("name", item.name().strip()).update();
	}
}
