package app;

import static org.assertj.core.api.Assertions.assertThat;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.get;
import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.post;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.content;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.redirectedUrl;
import static org.springframework.test.web.servlet.result.MockMvcResultMatchers.status;

import app.item.web.ItemPage;
import jakarta.servlet.http.Cookie;
import org.hamcrest.Matchers;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.autoconfigure.web.servlet.AutoConfigureMockMvc;
import org.springframework.boot.test.context.SpringBootTest;
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
	void pages() {
		assertThat(new ItemPage(1, 0).getFirstRecordIndex()).isZero();
		assertThat(new ItemPage(3, 250).getFirstRecordIndex()).isEqualTo(200);
		assertThat(new ItemPage(9, 250).getFirstRecordIndex()).isEqualTo(200);
		assertThat(new ItemPage(1, 250).getTotalPageCount()).isEqualTo(3);
	}
}
