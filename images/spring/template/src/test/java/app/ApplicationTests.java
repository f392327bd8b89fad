package app;

import static org.assertj.core.api.Assertions.assertThat;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.get;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.post;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.redirectedUrl;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;

import jakarta.servlet.http.Cookie;
import org.hamcrest.Matchers;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.webmvc.test.autoconfigure.AutoConfigureMockMvc;
import org.springframework.test.web.servlet.MockMvc;

@SpringBootTest(properties = "spring.datasource.url=jdbc:h2:mem:test")
@AutoConfigureMockMvc
class ApplicationTests {
	@Autowired
	private MockMvc mvc;

	@Test
	void health() throws Exception {
		mvc.perform(get("/healthz")).andExpect(status().isOk()).andExpect(content().string("ok"));
	}

	@Test
	void aNameIsKeptAndShown() throws Exception {
		mvc.perform(post("/items").param("name", "a <b> row")).andExpect(redirectedUrl("/"));
		mvc.perform(get("/")).andExpect(content().string(Matchers.containsString("<li>a &lt;b&gt; row</li>")));
	}

	@Test
	void noNameIsRefused() throws Exception {
		mvc.perform(post("/items").param("name", " ")).andExpect(status().isBadRequest());
	}

	@Test
	void aSessionIsKeptInTheDatabase() throws Exception {
		Cookie cookie = mvc.perform(post("/login").param("user", "alice")).andReturn().getResponse().getCookie("SESSION");

		mvc.perform(get("/whoami")).andExpect(content().string("anonymous"));
		mvc.perform(get("/whoami").cookie(cookie)).andExpect(content().string("alice"));
	}

	@Test
	void databaseUrls() {
		assertThat(Database.properties("mysql://app:a%40b@db:3306/app"))
				.containsEntry("spring.datasource.url", "jdbc:mariadb://db:3306/app")
				.containsEntry("spring.datasource.password", "a@b");
		assertThat(Database.properties("")).isEmpty();
	}
}
