package app;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** The web application: the JDK's own HTTP server, a virtual thread for each request. */
public class App {
	static final int BODY_MAX = 64 * 1024;
	static final int STOP_MS = 20_000;

	private final Store store;
	private final AtomicInteger open = new AtomicInteger();
	private volatile boolean stopping;

	App(Store store) {
		this.store = store;
	}

	private void index(HttpExchange x) throws IOException, SQLException {
		answer(x, 200, "text/html", Page.index(store.names()));
	}

	private void add(HttpExchange x) throws IOException, SQLException {
		byte[] body = x.getRequestBody().readNBytes(BODY_MAX + 1);
		String name = field(new String(body, StandardCharsets.UTF_8), "name").strip();

		if (body.length > BODY_MAX || name.isEmpty() || name.length() > Store.NAME_MAX) {
			answer(x, 400, "text/plain", "name: 1 to " + Store.NAME_MAX + " characters\n");
			return;
		}
		store.add(name);
		x.getResponseHeaders().set("Location", "/");
		answer(x, 303, "text/plain", "");
	}

	/** One field of a form; "" when it is not there. */
	static String field(String form, String name) {
		return Arrays.stream(form.split("&")).filter(p -> p.startsWith(name + "="))
				.map(p -> URLDecoder.decode(p.substring(name.length() + 1), StandardCharsets.UTF_8))
				.findFirst().orElse("");
	}

	private void route(HttpExchange x) throws IOException, SQLException {
		switch (x.getRequestMethod() + " " + x.getRequestURI().getPath()) {
			case "GET /" -> index(x);
			case "GET /healthz" -> answer(x, 200, "text/plain", "ok");
			case "POST /items" -> add(x);
			default -> answer(x, 404, "text/plain", "not found\n");
		}
	}

	private void answer(HttpExchange x, int status, String type, String text) throws IOException {
		byte[] body = text.getBytes(StandardCharsets.UTF_8);

		x.getResponseHeaders().set("Content-Type", type + "; charset=utf-8");
		if (stopping)
			x.getResponseHeaders().set("Connection", "close");
		x.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
		if (body.length > 0)
			x.getResponseBody().write(body);
	}

	private void handle(HttpExchange x) throws IOException {
		open.incrementAndGet();
		try {
			route(x);
		} catch (SQLException | IllegalArgumentException e) {
			System.err.println(x.getRequestURI() + ": " + e);
			answer(x, e instanceof SQLException ? 500 : 400, "text/plain", "it did not work\n");
		} finally {
			x.close();
			open.decrementAndGet();
		}
	}

	/** SIGTERM: what is being answered is answered, then the program ends. */
	private void stop(HttpServer server) {
		long end = System.currentTimeMillis() + STOP_MS;

		stopping = true;
		try {
			do
				Thread.sleep(100);
			while (open.get() > 0 && System.currentTimeMillis() < end);
		} catch (InterruptedException e) {
			Thread.currentThread().interrupt();
		}
		server.stop(0);
	}

	HttpServer start(int port) throws IOException {
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 1024);

		server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
		server.createContext("/", this::handle);
		server.start();
		return server;
	}

	public static void main(String[] args) throws IOException {
		// Connections from the tier in front stay open; answers are not held back.
		System.setProperty("sun.net.httpserver.nodelay", "true");
		System.setProperty("sun.net.httpserver.idleInterval", "3600");
		System.setProperty("sun.net.httpserver.maxIdleConnections", "2000");
		int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
		App app = new App(Store.open());
		HttpServer server = app.start(port);

		Runtime.getRuntime().addShutdownHook(new Thread(() -> app.stop(server)));
		System.out.println("http://0.0.0.0:" + port + "/");
	}
}
