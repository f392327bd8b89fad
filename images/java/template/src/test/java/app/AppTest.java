package app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class AppTest {
	private HttpServer server;
	private final HttpClient client = HttpClient.newHttpClient();

	@BeforeEach
	void start() throws Exception {
		Store store = new Store("jdbc:h2:mem:" + System.nanoTime() + ";MODE=PostgreSQL;DB_CLOSE_DELAY=-1");

		Migrate.run(store);
		assertEquals(Migrate.run(store), Migrate.run(store));
		server = new App(store).start(0);
	}

	@AfterEach
	void stop() {
		server.stop(0);
	}

	private HttpResponse<String> ask(String path, String form) throws Exception {
		var r = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path));

		if (form != null)
			r.header("Content-Type", "application/x-www-form-urlencoded").POST(HttpRequest.BodyPublishers.ofString(form));
		return client.send(r.build(), HttpResponse.BodyHandlers.ofString());
	}

	@Test
	void health() throws Exception {
		assertEquals("ok", ask("/healthz", null).body());
	}

	@Test
	void aNameIsKeptAndShown() throws Exception {
		assertEquals(303, ask("/items", "name=a+%3Cb%3E+row").statusCode());
		assertTrue(ask("/", null).body().contains("<li>a &lt;b&gt; row</li>"));
		assertTrue(ask("/", null).body().contains("<li>a row from the database</li>"));
	}

	@Test
	void noNameIsRefused() throws Exception {
		assertEquals(400, ask("/items", "name=+").statusCode());
		assertEquals(400, ask("/items", "name=%zz").statusCode());
	}

	@Test
	void elsewhereIsNothing() throws Exception {
		assertEquals(404, ask("/nowhere", null).statusCode());
	}

	@Test
	void greeting() {
		assertEquals("Hello, you!", Main.greet("you"));
	}
}
