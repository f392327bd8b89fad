package app;

import java.util.Map;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.core.env.MapPropertySource;

/** Serves; with the argument `migrate` brings the database up to date and ends. */
@SpringBootApplication
public class Application {
	public static void main(String[] args) {
		boolean migrate = args.length > 0 && args[0].equals("migrate");
		Map<String, Object> database = Database.properties(System.getenv("DATABASE_URL"));
		SpringApplication app = new SpringApplication(Application.class);

		if (database.isEmpty())
			LoggerFactory.getLogger(Application.class).info("DATABASE_URL is not set: H2, in the folder data");
		app.addInitializers(context -> context.getEnvironment().getPropertySources()
				.addFirst(new MapPropertySource("DATABASE_URL", database)));
		if (migrate)
			app.setWebApplicationType(WebApplicationType.NONE);
		var context = app.run(args);
		if (migrate)
			System.exit(SpringApplication.exit(context));
	}
}
