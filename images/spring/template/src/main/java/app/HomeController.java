package app;

import jakarta.servlet.http.HttpServletRequest;
import jakarta.validation.Valid;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.ModelAttribute;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseBody;
import org.springframework.web.bind.annotation.SessionAttribute;
import org.springframework.web.server.ResponseStatusException;

@Controller
class HomeController {
	static final String USER = "user";

	private final ItemRepository items;
	private final String instance;

	HomeController(ItemRepository items, @Value("${CODINGLAB_INSTANCE:this machine}") String instance) {
		this.items = items;
		this.instance = instance;
	}

	@GetMapping("/")
	String index(@SessionAttribute(name = USER, required = false) String user, Model model) {
		model.addAttribute("items", items.findAll());
		model.addAttribute("user", user);
		model.addAttribute("instance", instance);
		return "index";
	}

	@PostMapping("/items")
	String add(@Valid @ModelAttribute Item item) {
		items.add(item);
		return "redirect:/";
	}

	/** A name without a password: the place for your own way to know people. */
	@PostMapping("/login")
	String login(@RequestParam String user, HttpServletRequest request) {
		if (user.isBlank() || user.length() > 100)
			throw new ResponseStatusException(HttpStatus.BAD_REQUEST, "user: 1 to 100 characters");
		request.getSession();
		request.changeSessionId();
		request.getSession().setAttribute(USER, user.strip());
		return "redirect:/";
	}

	@GetMapping(path = "/whoami", produces = MediaType.TEXT_PLAIN_VALUE)
	@ResponseBody
	String whoami(@SessionAttribute(name = USER, required = false) String user) {
		return user == null ? "anonymous" : user;
	}

	@GetMapping(path = "/healthz", produces = MediaType.TEXT_PLAIN_VALUE)
	@ResponseBody
	String healthz() {
		return "ok";
	}
}
