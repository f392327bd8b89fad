package app;

import javax.sql.DataSource;
import org.flywaydb.core.Flyway;

/** Brings the database up to date (db/migration). Runs once for each release, before it serves. */
public final class Migrate {
	private Migrate() {
	}

	static int run(DataSource database) {
		return Flyway.configure().dataSource(database).load().migrate().migrationsExecuted;
	}

	public static void main(String[] args) {
		System.out.println("migrate: " + run(Database.shared()) + " steps done");
	}
}
