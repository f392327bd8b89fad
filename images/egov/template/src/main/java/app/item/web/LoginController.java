package app.item.web;

import jakarta.servlet.http.HttpServletRequest;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.stereotype.Controller;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseBody;
import org.springframework.web.bind.annotation.SessionAttribute;
import org.springframework.web.server.ResponseStatusException;

@Controller
public class LoginController {
	static final String USER = "user";

	/** A name without a password: the place for your own way to know people. */
	@PostMapping("/login")
	public String login(@RequestParam String user, HttpServletRequest request) {
		if (user.isBlank() || user.length() > 100)
			throw new ResponseStatusException(HttpStatus.BAD_REQUEST, "user: 1 to 100 characters");
		request.getSession();
		request.changeSessionId();
		request.getSession().setAttribute(USER, user.strip());
		return "redirect:/";
	}

	@GetMapping(path = "/whoami", produces = MediaType.TEXT_PLAIN_VALUE)
	@ResponseBody
	public String whoami(@SessionAttribute(name = USER, required = false) String user) {
		return user == null ? "anonymous" : user;
	}

	@GetMapping(path = "/healthz", produces = MediaType.TEXT_PLAIN_VALUE)
	@ResponseBody
	public String healthz() {
		return "ok";
	}
}
