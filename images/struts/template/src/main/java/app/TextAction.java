package app;

import java.io.IOException;
import org.apache.struts2.ActionSupport;
import org.apache.struts2.ServletActionContext;

/** GET /healthz and /whoami: a line of text. */
public class TextAction extends ActionSupport {
	private String answer(String text) throws IOException {
		var response = ServletActionContext.getResponse();

		response.setContentType("text/plain;charset=UTF-8");
		response.getWriter().write(text);
		return NONE;
	}

	public String healthz() throws IOException {
		return answer("ok");
	}

	public String whoami() throws IOException {
		return answer(Login.shared().user(ServletActionContext.getRequest()));
	}
}
