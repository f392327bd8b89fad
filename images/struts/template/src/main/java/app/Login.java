package app;

import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Who is logged in, as a cookie signed with SECRET_KEY (HMAC-SHA-256): any instance can answer the
 * next request.  The cookie is NAME.END.SIGNATURE, NAME in base64, END in seconds.
 */
final class Login {
	static final String COOKIE = "login";
	static final Duration LIFE = Duration.ofHours(12);

	private static final Login SHARED = new Login(System.getenv("SECRET_KEY"));
	private final SecretKeySpec key;

	/** Without a key (dev container) one is made that lasts until the server ends. */
	Login(String secret) {
		byte[] bytes = secret == null ? new byte[0] : secret.getBytes(StandardCharsets.UTF_8);

		if (bytes.length == 0) {
			if (System.getenv("DATABASE_URL") != null)
				throw new IllegalStateException("SECRET_KEY is not set");
			bytes = new byte[32];
			new SecureRandom().nextBytes(bytes);
		}
		key = new SecretKeySpec(bytes, "HmacSHA256");
	}

	static Login shared() {
		return SHARED;
	}

	private String sign(String text) {
		try {
			Mac mac = Mac.getInstance("HmacSHA256");
			mac.init(key);
			return Base64.getUrlEncoder().withoutPadding().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
		} catch (GeneralSecurityException e) {
			throw new IllegalStateException(e);
		}
	}

	String make(String user, Instant now) {
		String text = Base64.getUrlEncoder().withoutPadding().encodeToString(user.getBytes(StandardCharsets.UTF_8))
				+ "." + now.plus(LIFE).getEpochSecond();

		return text + "." + sign(text);
	}

	/** The user of a cookie's value; null when it is not ours, was changed or is too old. */
	String read(String value, Instant now) {
		int end = value.lastIndexOf('.');
		String text = end < 0 ? "" : value.substring(0, end);
		int dot = text.indexOf('.');

		if (dot < 0 || !MessageDigest.isEqual(sign(text).getBytes(StandardCharsets.UTF_8),
				value.substring(end + 1).getBytes(StandardCharsets.UTF_8)))
			return null;
		if (Long.parseLong(text.substring(dot + 1)) < now.getEpochSecond())
			return null;
		return new String(Base64.getUrlDecoder().decode(text.substring(0, dot)), StandardCharsets.UTF_8);
	}

	/** The user of a request; "anonymous" when nobody is logged in. */
	String user(HttpServletRequest request) {
		Cookie[] cookies = request.getCookies();

		for (Cookie c : cookies == null ? new Cookie[0] : cookies) {
			String user = c.getName().equals(COOKIE) ? read(c.getValue(), Instant.now()) : null;
			if (user != null)
				return user;
		}
		return "anonymous";
	}

	void set(HttpServletRequest request, HttpServletResponse response, String user) {
		Cookie c = new Cookie(COOKIE, make(user, Instant.now()));

		c.setPath("/");
		c.setHttpOnly(true);
		c.setSecure(request.isSecure());
		c.setMaxAge((int) LIFE.toSeconds());
		c.setAttribute("SameSite", "Lax");
		response.addCookie(c);
	}
}
