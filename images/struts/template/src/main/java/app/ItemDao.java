package app;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/** The table item. */
class ItemDao {
	static final int NAME_MAX = 100;

	private final DataSource database;

	ItemDao(DataSource database) {
		this.database = database;
	}

	List<String> names() throws SQLException {
		List<String> names = new ArrayList<>();

		try (var c = database.getConnection(); var s = c.prepareStatement("SELECT name FROM item ORDER BY id");
				var rows = s.executeQuery()) {
			while (rows.next())
				names.add(rows.getString(1));
		}
		return names;
	}

	void add(String name) throws SQLException {
		try (var c = database.getConnection(); var s = c.prepareStatement("INSERT INTO item (name) VALUES (?)")) {
			s.setString(1, name);
			s.executeUpdate();
		}
	}
}
